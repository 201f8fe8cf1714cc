"""Every way in which Discord refuses, by name: the member gets the picture, or learns where it waits."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.deadline import Deadline, still_works
from tests.faults.images import many
from tests.faults.requests import (
    end_of,
    is_over,
    shows,
    sizes,
)
from tests.faults.workflows import SHIPPED
from tests.transport.conftest import Stage, playing, until
from tests.wire import Rate, WireChannel, WireDiscord, WireInteraction
from tests.wire.bots import pointed_at
from tests.wire.places import ATTACH_FILES, MEMBER_PERMISSIONS, VIEW_CHANNEL

pytestmark = pytest.mark.timeout(75)

SIZE = (80, 64)
STEPS = 8
EDIT = r"PATCH .*/webhooks"
ANY_EDIT = r"PATCH .*/messages/"
THREAD = 11
MEMBER = 4_242
OWNER = 1


class Scene(Stage):
    """A bot in this process, with two channels and a thread to speak in."""

    async def start_job(self, **where: Any) -> WireInteraction:
        """Order a picture of the size that `shown` expects."""
        options = {"prompt": "a fox", "width": SIZE[0], "height": SIZE[1], "steps": STEPS, "seed": "7"}
        return await self.order(options=options, **where)

    @property
    def side_channel(self) -> WireChannel:
        """A channel that a test may spoil."""
        return self.wire.guild.channels[1]

    @property
    def thread(self) -> WireChannel:
        """A thread below it."""
        return self.wire.guild.channels[2]

    async def kept(self, user_id: int = MEMBER) -> list[tuple[int, int]]:
        """Return the pictures that a member finds in their history."""
        listing = await self.wire.slash("history", user_id=user_id, user_install=False)
        assert listing.message is not None
        assert listing.message.is_ephemeral
        menu = next(entry for entry in listing.message.buttons.values() if entry.get("options"))
        value = menu["options"][0]["value"]
        answer = await self.wire.component(listing.message, menu["custom_id"], values=[value], user_id=user_id)
        message = await answer.wait_for(lambda message: bool(message.attachments), 10.0)
        return sizes(message)


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Scene]:
    """A bot on a ComfyUI that is slow enough for things to go wrong meanwhile."""
    wire = WireDiscord()
    for kind, name in ((0, "side"), (THREAD, "talk")):
        channel = WireChannel(wire.world.snowflakes.next(), name, kind=kind, guild_id=wire.guild.id)
        channel.parent_id = wire.guild.channels[0].id if kind == THREAD else None
        wire.guild.channels.append(channel)
        wire.world.channels[channel.id] = channel
    everywhere = getattr(request, "param", False)
    async with (
        wire,
        StandIn(ServerState(seconds_per_step=0.15)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path / "data", workflows=SHIPPED, everywhere=everywhere) as stage,
    ):
        yield Scene(stage.wire, stage.comfy, stage.app)


async def shown(job: WireInteraction) -> None:
    """Require the picture in the job's own message."""
    message = await Deadline().end_of(job)
    assert (end_of(message), sizes(message)) == ("shown", [SIZE]), message.text


async def told_directly(scene: Scene, *words: str) -> None:
    """Require one direct message to the member, with one of these words, and the picture in their history."""
    await scene.wire.world.changes.until(lambda: bool(scene.wire.direct_messages(MEMBER)), 30.0, "a direct message")
    await asyncio.sleep(0.5)
    [message] = scene.wire.direct_messages(MEMBER)
    assert any(word in message.text for word in words), message.text
    assert "/history" in message.text
    assert await scene.kept() == [SIZE]


# ------------------------------------------------------------------ each takes a job through one fault


async def token_expired(scene: Scene) -> None:
    scene.wire.state.token_seconds = 0.5
    job = await scene.start_job()
    await shown(job)
    assert job.edits[-1].via == "bot"


async def token_near_its_end(scene: Scene) -> None:
    job = await scene.start_job(age=870.0)
    await shown(job)
    assert job.edits[-1].via == "bot"


async def token_revoked(scene: Scene) -> None:
    job = await scene.start_job()
    job.revoke()
    await shown(job)
    assert job.edits[-1].via == "bot"


async def message_deleted(scene: Scene) -> None:
    job = await scene.start_job()
    assert job.message is not None
    job.message.delete()
    await told_directly(scene, "deleted")


async def channel_deleted(scene: Scene) -> None:
    await scene.start_job(channel=scene.side_channel)
    await scene.wire.delete_channel(scene.side_channel)
    await told_directly(scene, "no longer exists", "was deleted")  # with its channel, the message is deleted, too


async def thread_archived(scene: Scene) -> None:
    job = await scene.start_job(channel=scene.thread)
    job.expire()
    scene.thread.archived = True
    await shown(job)


async def thread_locked(scene: Scene) -> None:
    job = await scene.start_job(channel=scene.thread)
    job.expire()
    scene.thread.archived = scene.thread.locked = True
    await told_directly(scene, "locked")


async def missing_permission_to_see(scene: Scene) -> None:
    job = await scene.start_job(channel=scene.side_channel)
    job.expire()
    await scene.wire.allow(scene.side_channel, MEMBER_PERMISSIONS & ~VIEW_CHANNEL)
    await told_directly(scene, "View Channel")
    [request] = scene.wire.direct_messages(OWNER)
    assert "View Channel" in request.text


async def missing_permission_to_attach(scene: Scene) -> None:
    job = await scene.start_job(channel=scene.side_channel)
    job.expire()
    await scene.wire.allow(scene.side_channel, MEMBER_PERMISSIONS & ~ATTACH_FILES)
    await told_directly(scene, "Attach Files")
    [request] = scene.wire.direct_messages(OWNER)
    assert "Attach Files" in request.text


async def too_large_40005(scene: Scene) -> None:
    await _refused_as_too_large(scene, 413, 40005)


async def too_large_50045(scene: Scene) -> None:
    await _refused_as_too_large(scene, 400, 50045)


async def _refused_as_too_large(scene: Scene, status: int, code: int) -> None:
    scene.comfy.state.seconds_per_step = 0.0  # no progress is shown: the first edit is the last one
    fault = scene.wire.state.fail(EDIT, status, code)
    message = await Deadline().end_of(await scene.start_job())
    assert fault.hits == 1
    assert len(message.attachments) == 1, message.text


async def rate_limited(scene: Scene) -> None:
    scene.wire.state.webhook_rate = Rate(1, 1.5)
    job = await scene.start_job()
    await shown(job)


async def rate_limited_with_the_bucket_unknown(scene: Scene) -> None:
    body = {"message": "You are being rate limited.", "retry_after": 1.0, "global": False}
    scene.wire.state.fail(EDIT, 429, body=body, times=3, headers={"Retry-After": "1"})
    await shown(await scene.start_job())


async def edits_of_old_messages_are_rationed_30046(scene: Scene) -> None:
    scene.wire.state.old_edit_rate = Rate(1, 3.0)
    jobs = [await scene.start_job() for _ in range(3)]
    for job in jobs:
        assert job.message is not None
        job.message.created = time.time() - 3700
        job.expire()
    for job in jobs:
        await shown(job)


async def server_errors_for_a_while(scene: Scene) -> None:
    job = await scene.start_job()
    fault = scene.wire.state.fail(ANY_EDIT, 503, body="upstream connect error", times=None)
    await until(lambda: scene.comfy.state.seen.frames["execution_success"])
    await asyncio.sleep(6.0)
    fault.times = 0
    await shown(job)


async def dropped_connections(scene: Scene) -> None:
    scene.wire.state.drop(EDIT, times=2)
    scene.wire.state.drop(EDIT, times=1, after=True)
    await shown(await scene.start_job())


async def direct_messages_closed(scene: Scene) -> None:
    scene.wire.state.closed_dms.add(MEMBER)
    job = await scene.start_job()
    assert job.message is not None
    job.message.delete()
    await until(lambda: scene.comfy.state.seen.frames["execution_success"])
    await asyncio.sleep(3.0)
    assert await scene.kept() == [SIZE]
    assert scene.wire.direct_messages(MEMBER) == []


async def more_than_ten_files(scene: Scene) -> None:
    expected, scene.comfy.state.extra_output = many(scene.comfy.directory, 25)
    job = await scene.start_job()
    channel = scene.wire.guild.channels[0]
    await Deadline().end_of(job)
    await until(lambda: sum(len(message.attachments) for message in scene.wire.messages_in(channel)) == 25, 20.0)
    messages = scene.wire.messages_in(channel)
    assert [size for message in messages for size in sizes(message)] == expected
    assert [len(message.attachments) for message in messages] == [10, 10, 5]
    scene.comfy.state.extra_output = {}


async def ephemeral_and_show_result(scene: Scene) -> None:
    await _show_result(scene, force_ephemeral=True)


async def _show_result(scene: Scene, **where: Any) -> None:
    scene.comfy.state.seconds_per_step = 1.0
    job = await scene.start_job(age=825.0, **where)
    message = await job.wait_for(lambda message: bool(shows(message)), 20.0)
    job.expire()
    [button] = shows(message)
    assert "/webhooks" not in [entry.template for entry in scene.wire.requests if entry.status == 401]
    stranger = await scene.wire.component(message, button, user_id=99)
    assert stranger.message is None or stranger.message is message or stranger.message.is_ephemeral
    await until(lambda: scene.comfy.state.seen.frames["execution_success"], 20.0)
    await asyncio.sleep(1.0)
    press = await scene.wire.component(message, button, user_id=MEMBER)
    assert press.message is message
    end = await press.wait_for(is_over, 30.0)
    assert sizes(end) == [SIZE], end.text


FAULTS = (
    token_expired,
    token_near_its_end,
    token_revoked,
    message_deleted,
    channel_deleted,
    thread_archived,
    thread_locked,
    missing_permission_to_see,
    missing_permission_to_attach,
    too_large_40005,
    too_large_50045,
    rate_limited,
    rate_limited_with_the_bucket_unknown,
    edits_of_old_messages_are_rationed_30046,
    server_errors_for_a_while,
    dropped_connections,
    direct_messages_closed,
    more_than_ten_files,
    ephemeral_and_show_result,
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_the_result_is_shown_or_waits_after(scene: Scene, fault: Callable[[Scene], Awaitable[None]]) -> None:
    await fault(scene)
    scene.wire.state.token_seconds = 900.0
    assert await still_works(scene)
    ids = scene.comfy.state.seen.prompts
    assert len(ids) == len(set(ids)), "no id is queued twice"
    refused = [entry for entry in scene.wire.requests if entry.status in (401, 403, 404)]
    assert len(refused) <= 6, "what is refused is not asked for again and again"


only_installed_by_its_member = pytest.mark.parametrize("scene", [True], indirect=True, ids=[""])


@only_installed_by_its_member
async def test_where_only_the_member_installed_it_the_result_is_shown(scene: Scene) -> None:
    await shown(await scene.start_job(user_install=True))


@only_installed_by_its_member
async def test_where_only_the_member_installed_it_the_result_comes_by_a_press_when_it_is_late(scene: Scene) -> None:
    await _show_result(scene, user_install=True)
