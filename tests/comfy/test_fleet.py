"""Several servers: what identifies them, what they can do together, and how they come and go while the bot runs."""

from collections.abc import AsyncIterator, Callable
from random import Random

import pytest

from bot.clock import SystemClock
from bot.comfy.fleet import Fleet
from bot.comfy.server import ComfyServer
from bot.errors import InputError
from bot.sandbox.comfyui import ServerState, StandIn
from tests.comfy.graphs import txt2img
from tests.comfy.runs import eventually, run

URLS = ("http://user:secret@one:8188/comfy/", "http://two:8188")
SOURCE = "CheckpointLoaderSimple.ckpt_name"
OLD, NEW = "dreamscape-sd15.safetensors", "new.safetensors"


def fleet_of(*urls: str, instance: str = "", on_capabilities: Callable[[ComfyServer], None] | None = None) -> Fleet:
    return Fleet.of(urls, clock=SystemClock(), random=Random(1), instance=instance, on_capabilities=on_capabilities)


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """Two servers at addresses where nothing is."""
    fleet = fleet_of(*URLS)
    yield fleet
    await fleet.close()


@pytest.fixture
async def other() -> AsyncIterator[StandIn]:
    """A second server, with another model."""
    async with StandIn(ServerState(seconds_per_step=0.02)) as other:
        other.state.models["checkpoints"] = [NEW]
        yield other


async def ids(instance: str) -> list[str]:
    fleet = fleet_of(*URLS, instance=instance)
    try:
        return [server._socket.client_id for server in fleet.servers]
    finally:
        await fleet.close()


async def test_a_server_is_known_by_its_address_without_the_password(fleet: Fleet) -> None:
    assert [server.key for server in fleet.servers] == ["http://one:8188/comfy", "http://two:8188/"]


async def test_an_installation_has_the_same_client_ids_everywhere_and_shares_none_with_another() -> None:
    first, again, other = [await ids(instance) for instance in ("a", "a", "b")]
    assert first == again
    assert len({*first, *other}) == 4


async def test_an_installation_without_a_name_has_fresh_ones() -> None:
    assert (await ids(""))[1] != (await ids(""))[1]


# ------------------------------------------------------------------ coming and going


async def test_servers_come_and_go_by_name_and_key(fleet: Fleet) -> None:
    third = await fleet.add("http://three:8188")
    named = await fleet.add("http://four:8188", "attic")
    assert [server.name for server in fleet.servers] == ["gpu1", "gpu2", "gpu3", "attic"]
    assert fleet.get("http://four:8188/") is named

    await fleet.remove(third.key)
    await fleet.remove(third.key)
    assert fleet.get(third.key) is None
    assert (await fleet.add("http://three:8188")).name == "gpu4"  # people remember who gpu3 was


async def test_a_chosen_name_is_never_given_again(fleet: Fleet) -> None:
    await fleet.add("http://three:8188", "gpu3")
    assert (await fleet.add("http://four:8188")).name == "gpu4"


@pytest.mark.parametrize(
    ("url", "name", "says"),
    [
        ("http://me:other@one:8188/comfy", None, "already exists as “gpu1”"),
        ("http://three:8188", "gpu2", "Another server is already called “gpu2”"),
        ("three", None, "looks like http://"),
    ],
)
async def test_what_cannot_be_added(fleet: Fleet, url: str, name: str | None, says: str) -> None:
    with pytest.raises(InputError, match=says):
        await fleet.add(url, name)
    assert len(fleet.servers) == 2


async def test_an_address_that_stands_twice_in_the_settings_is_one_server() -> None:
    twice = fleet_of("http://one:8188", "http://one:8188/")
    assert [server.name for server in twice.servers] == ["gpu1"]
    await twice.close()


async def test_a_server_added_while_others_run_works_and_is_left_when_it_is_removed(standin: StandIn) -> None:
    fleet = fleet_of()
    await fleet.start()
    server = await fleet.add(standin.url)
    await server.start()
    await server.wait_online()
    assert (await run(server, txt2img(OLD))).failure is None

    await fleet.remove(server.key)
    assert not fleet.any_online()
    await eventually(lambda: standin.state.seen.sockets_open == 0)
    await fleet.close()


# ------------------------------------------------------------------ what they can do together


async def test_together_they_can_do_what_one_of_them_can(standin: StandIn, other: StandIn) -> None:
    fleet = fleet_of(standin.url, other.url)
    assert fleet.definitions().nodes == {}
    await fleet.start()
    await eventually(lambda: {OLD, NEW} <= set(fleet.definitions().choices(SOURCE)))
    assert fleet.definitions() is fleet.definitions()

    await standin.kill()
    await eventually(lambda: fleet.definitions().choices(SOURCE) == (NEW,))
    await other.kill()
    await eventually(lambda: {OLD, NEW} <= set(fleet.definitions().choices(SOURCE)))  # better than nothing
    await fleet.close()


async def test_what_a_server_can_do_is_told_when_it_changes(standin: StandIn) -> None:
    standin.state.vram_total = 24_000_000_000
    fingerprints: list[str] = []
    fleet = fleet_of(standin.url, on_capabilities=lambda server: fingerprints.append(server.abilities.fingerprint))
    (server,) = fleet.servers
    await server.start()
    await eventually(lambda: len(fingerprints) == 1)
    assert (server.abilities.vram, server.abilities.version) == (24_000_000_000, standin.state.generation.value)

    await server.refresh_definitions()
    assert len(fingerprints) == 1
    standin.state.models["checkpoints"].append(NEW)
    await server.refresh_definitions()
    assert len(set(fingerprints)) == 2
    standin.state.drop_request["GET /system_stats"] = 3
    await server.refresh_definitions()
    assert len(fingerprints) == 2  # what it said about its memory still holds
    await fleet.close()


async def test_a_fleet_asks_at_an_address(standin: StandIn, fleet: Fleet) -> None:
    assert (await fleet.probe(standin.url)).version == standin.state.generation.value
    with pytest.raises(InputError):
        await fleet.probe("http://one:8188/?x")
