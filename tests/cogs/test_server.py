"""`/server`: ComfyUI servers come, rest and go while the bot runs; who may, and who learns what."""

from collections.abc import AsyncGenerator

import pytest

from bot.jobs.cluster.bus import Topic
from bot.jobs.server_registry import Compatibility, ServerRecord
from bot.workflow.run.needs import MissingKind, MissingResource
from tests.cogs.commands_only import (
    MANAGER,
    MODERATOR,
    Counter,
    abilities,
    opened_counter,
)
from tests.harness import Member

URL = "http://user:secret@10.0.0.7:8188"
KEY = "http://10.0.0.7:8188"


@pytest.fixture
async def counter() -> AsyncGenerator[Counter]:
    """The bot's home."""
    async with opened_counter() as counter:
        counter.machines[URL] = abilities()
        yield counter


@pytest.fixture
def manager(counter: Counter) -> Member:
    return counter.sim.member("manager", permissions=MANAGER)


async def servers(counter: Counter) -> list[ServerRecord]:
    return list(await counter.database.fleet.servers())


async def test_a_server_is_added_once_it_has_answered(counter: Counter, manager: Member) -> None:
    art = counter.sim.channel()
    reply = await manager.slash(art, "server add", url=f" {URL} ", name="  the   big one ")
    assert "Added the big one (ComfyUI 0.3.64, 24 GB)" in reply.text
    assert reply.ephemeral
    assert "secret" not in reply.text
    (record,) = await servers(counter)
    assert (record.key, record.url, record.name, record.added_by) == (KEY, URL, "the big one", manager.id)
    assert Topic.FLEET in counter.bus.sent
    assert await counter.recorded(f"server the big one added: {KEY}")
    again = await manager.slash(art, "server add", url=URL)
    assert "already been added: the big one" in again.text
    assert len(await servers(counter)) == 1


@pytest.mark.parametrize(("url", "words"), [("ftp://nowhere", "looks like"), ("http://10.0.0.8:8188", "No ComfyUI")])
async def test_what_is_no_server_is_not_added(counter: Counter, manager: Member, url: str, words: str) -> None:
    reply = await manager.slash(counter.sim.channel(), "server add", url=url)
    assert words in reply.text
    assert reply.ephemeral
    assert await servers(counter) == []
    assert counter.bus.sent == []


async def test_a_server_rests_comes_back_and_goes(counter: Counter, manager: Member) -> None:
    art = counter.sim.channel()
    await manager.slash(art, "server add", url=URL)
    assert await manager.autocomplete(art, "server drain", "server", "gpu") == ["gpu1"]
    assert "gpu1 is draining" in (await manager.slash(art, "server drain", server="GPU1")).text
    assert (await servers(counter))[0].drained
    assert "🔧 **gpu1**" in (await manager.slash(art, "server list")).text
    assert "is back in rotation" in (await manager.slash(art, "server resume", server="gpu1")).text
    assert not (await servers(counter))[0].drained
    assert "gpu1 removed" in (await manager.slash(art, "server remove", server="gpu1")).text
    assert await servers(counter) == []
    assert "no ComfyUI server “gpu1”" in (await manager.slash(art, "server drain", server="gpu1")).text
    assert "No ComfyUI servers yet" in (await manager.slash(art, "server list")).text
    for what in ("server gpu1 drained", "server gpu1 resumed", f"server gpu1 removed: {KEY}"):
        assert await counter.recorded(what)


async def test_moderators_look_without_addresses_and_change_nothing(counter: Counter, manager: Member) -> None:
    art, mod = counter.sim.channel(), counter.sim.member("mod", permissions=MODERATOR)
    await manager.slash(art, "server add", url=URL)
    assert KEY in (await manager.slash(art, "server list")).text
    listed = (await mod.slash(art, "server list")).text
    assert "gpu1" in listed
    assert "10.0.0.7" not in listed
    attempts = [
        ("add", {"url": "http://10.0.0.8:8188"}),
        ("remove", {"server": "gpu1"}),
        ("drain", {"server": "gpu1"}),
        ("resume", {"server": "gpu1"}),
    ]
    for name, options in attempts:
        assert "Only the bot's owner" in (await mod.slash(art, f"server {name}", **options)).text, name
    assert await mod.autocomplete(art, "server remove", "server", "") == []
    (record,) = await servers(counter)
    assert not record.drained


async def test_who_is_no_moderator_does_not_even_look(counter: Counter) -> None:
    art, ann = counter.sim.channel(), counter.sim.member("ann")
    await counter.sim.offer("server", ann)
    assert "**Manage Messages**" in (await ann.slash(art, "server list")).text


async def test_the_list_says_what_a_server_cannot_run(counter: Counter, manager: Member) -> None:
    art, fleet = counter.sim.channel(), counter.database.fleet
    await manager.slash(art, "server add", url=URL)
    await fleet.describe(KEY, abilities())
    job = await counter.waiting(counter.sim.member("ann"))
    cls = job.spec.needs.cls
    assert cls, "a run that needs something"
    lacks = (MissingResource(MissingKind.MODEL, "flux.safetensors", "UNETLoader.unet_name"),)
    await fleet.record_compatibility(
        KEY, {cls: Compatibility(is_compatible=False, missing=lacks)}, abilities().fingerprint
    )
    text = (await manager.slash(art, "server list")).text
    assert "1 waiting request can't run here" in text
    assert "flux.safetensors" in text
