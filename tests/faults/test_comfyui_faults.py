"""Every way in which ComfyUI fails, by name: the job ends with its picture, or with the truth, and soon."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.sandbox.comfyui import ALWAYS, OUT_OF_MEMORY, ServerState
from tests.faults.deadline import Deadline, still_works
from tests.faults.lossy_network import DistantStandIn, distant
from tests.faults.requests import end_of, sizes
from tests.faults.workflows import SHIPPED, half_broken, impatient
from tests.transport.conftest import Stage, playing, until
from tests.wire import WireDiscord, WireInteraction
from tests.wire.bots import pointed_at

pytestmark = pytest.mark.timeout(75)

PATHS = re.compile(r"[A-Za-z]:\\\\|/\w+/|\.py|Traceback")
SIZE = (80, 64)
STEPS = 8


class Scene(Stage):
    """A bot in this process, with a network between it and ComfyUI."""

    comfy: DistantStandIn  # pyright: ignore[reportIncompatibleVariableOverride] # a test has no other

    async def start_job(self, **options: Any) -> WireInteraction:
        """Order a picture of the size that `shown` expects."""
        chosen = {"prompt": "a fox", "width": SIZE[0], "height": SIZE[1], "steps": STEPS, "seed": "7", **options}
        return await self.order(options=chosen)

    async def running_job(self) -> WireInteraction:
        """Order a picture, and return when ComfyUI works on it."""
        job = await self.start_job()
        await until(lambda: self.comfy.state.seen.frames["progress"])
        return job


@pytest.fixture
async def scene(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Scene]:
    """A bot that is connected; the parameter makes its folder of workflows."""
    make = getattr(request, "param", None)
    workflows = SHIPPED if make is None else make(tmp_path / "workflows")
    async with (
        WireDiscord() as wire,
        distant(ServerState(seconds_per_step=0.15)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path / "data", workflows=workflows) as stage,
    ):
        yield Scene(stage.wire, stage.comfy, stage.app)


async def shown(deadline: Deadline, job: WireInteraction) -> None:
    """Require the picture."""
    message = await deadline.end_of(job)
    assert (end_of(message), sizes(message)) == ("shown", [SIZE]), message.text


async def told(deadline: Deadline, job: WireInteraction, words: str) -> str:
    """Require a sentence with these words, and nothing of the server's inside."""
    message = await deadline.end_of(job)
    assert end_of(message) == "told", message.text
    assert words.casefold() in message.text.casefold(), message.text
    assert not message.attachments
    assert not PATHS.search(message.text), message.text
    return message.text


# ------------------------------------------------------------------ each takes a job through one fault


async def killed_and_restarted_with_everything_forgotten(scene: Scene) -> None:
    job = await scene.running_job()
    await scene.comfy.kill()
    await asyncio.sleep(1.0)
    await scene.comfy.start()
    await shown(Deadline(), job)
    assert len(set(scene.comfy.state.seen.prompts)) == 2


async def killed_for_longer_than_a_patient_network_waits(scene: Scene) -> None:
    job = await scene.running_job()
    waiting = await scene.start_job()
    await scene.comfy.kill()
    await asyncio.sleep(12.0)
    await scene.comfy.start()
    deadline = Deadline()
    await shown(deadline, job)
    await shown(deadline, waiting)


async def killed_between_the_end_and_the_fetching(scene: Scene) -> None:
    scene.comfy.state.seconds_per_step = 0.0
    scene.comfy.state.answer_delay_ms["GET /view"] = 60_000
    job = await scene.start_job()
    await until(lambda: scene.comfy.state.seen.requests["GET /view"])
    await scene.comfy.kill()
    scene.comfy.state.answer_delay_ms.clear()
    await asyncio.sleep(1.0)
    await scene.comfy.start()
    await shown(Deadline(), job)


async def dropped_socket(scene: Scene) -> None:
    job = await scene.running_job()
    scene.comfy.network.cut()
    await shown(Deadline(), job)
    assert len(scene.comfy.state.seen.prompts) == 1


async def half_open_socket(scene: Scene) -> None:
    job = await scene.running_job()
    scene.comfy.network.strand()
    await shown(Deadline(), job)
    assert len(scene.comfy.state.seen.prompts) == 1


async def half_open_socket_before_the_order(scene: Scene) -> None:
    scene.comfy.network.strand()
    job = await scene.start_job()
    await shown(Deadline(), job)
    assert len(scene.comfy.state.seen.prompts) == 1


async def deaf_socket(scene: Scene) -> None:
    scene.comfy.network.cut_near()  # the server's half of the old socket lives on
    await until(lambda: scene.comfy.state.seen.sockets_opened == 2)
    scene.comfy.network.cut_far()  # and its end makes the new one deaf
    await asyncio.sleep(0.2)
    job = await scene.start_job()
    await shown(Deadline(), job)
    assert len(scene.comfy.state.seen.prompts) == 1


async def stalled_publisher(scene: Scene) -> None:
    job = await scene.running_job()
    scene.comfy.state.publisher_stuck = True
    await shown(Deadline(), job)
    scene.comfy.state.publisher_stuck = False
    assert len(scene.comfy.state.seen.prompts) == 1


async def publisher_stalled_before_the_order(scene: Scene) -> None:
    scene.comfy.state.publisher_stuck = True
    job = await scene.start_job()
    await shown(Deadline(), job)
    scene.comfy.state.publisher_stuck = False
    assert len(scene.comfy.state.seen.prompts) == 1


async def frozen_for_a_while(scene: Scene) -> None:
    job = await scene.running_job()
    scene.comfy.state.frozen = True
    await asyncio.sleep(6.0)
    scene.comfy.state.frozen = False
    await shown(Deadline(), job)
    assert len(scene.comfy.state.seen.prompts) == 1


async def cache_hit_with_deleted_files(scene: Scene) -> None:
    await shown(Deadline(), await scene.start_job())
    for file in (scene.comfy.directory / "output").rglob("*.png"):
        file.unlink()
    steps = scene.comfy.state.seen.frames["progress"]
    await shown(Deadline(), await scene.start_job())
    assert scene.comfy.state.seen.frames["progress"] == steps, "only the saving is done again"


async def dropped_outputs(scene: Scene) -> None:
    scene.comfy.state.dropped_outputs.add("SaveImage")
    await told(Deadline(), await scene.start_job(), "saved nothing")
    scene.comfy.state.dropped_outputs.clear()


async def interrupted_by_somebody_else(scene: Scene) -> None:
    scene.comfy.state.interrupt_at_step = 2
    await told(Deadline(), await scene.start_job(), "stopped")
    scene.comfy.state.interrupt_at_step = None


async def out_of_memory(scene: Scene) -> None:
    scene.comfy.state.node_faults["KSampler"] = OUT_OF_MEMORY
    await told(Deadline(), await scene.start_job(), "memory")
    scene.comfy.state.node_faults.clear()


async def view_404(scene: Scene) -> None:
    scene.comfy.state.delete_outputs = True
    await told(Deadline(), await scene.start_job(), "file is gone")
    scene.comfy.state.delete_outputs = False


async def view_500_for_a_while(scene: Scene) -> None:
    scene.comfy.state.answer_500["GET /view"] = 3
    await shown(Deadline(), await scene.start_job())


async def view_500_for_ever(scene: Scene) -> None:
    scene.comfy.state.answer_500["GET /view"] = ALWAYS
    await told(Deadline(), await scene.start_job(), "can't deliver it (error 500)")
    scene.comfy.state.answer_500.clear()


async def history_500_for_a_while(scene: Scene) -> None:
    scene.comfy.state.answer_500["GET /history"] = 3
    await shown(Deadline(), await scene.start_job())


async def lost_answer_to_a_post(scene: Scene) -> None:
    scene.comfy.state.drop_answer["POST /prompt"] = 1
    await shown(Deadline(), await scene.start_job())
    assert len(scene.comfy.state.seen.prompts) == 1


async def lost_post(scene: Scene) -> None:
    scene.comfy.state.drop_request["POST /prompt"] = 1
    await shown(Deadline(), await scene.start_job())
    assert len(scene.comfy.state.seen.prompts) == 1


async def queue_cleared_by_somebody(scene: Scene) -> None:
    running = await scene.running_job()
    waiting = await scene.start_job(seed="8")
    await until(lambda: len(scene.comfy.state.seen.prompts) == 2)
    async with aiohttp.ClientSession() as somebody, somebody.post(f"{scene.comfy.url}/queue", json={"clear": True}):
        deadline = Deadline()
    await shown(deadline, running)
    await shown(deadline, waiting)
    assert len(set(scene.comfy.state.seen.prompts)) == 3


async def history_cleared_by_somebody(scene: Scene) -> None:
    scene.comfy.state.seconds_per_step = 0.0
    scene.comfy.state.answer_delay_ms["GET /history"] = 1000
    job = await scene.start_job()
    async with aiohttp.ClientSession() as somebody:
        await until(lambda: scene.comfy.state.seen.frames["execution_success"])
        async with somebody.post(f"{scene.comfy.url}/history", json={"clear": True}):
            deadline = Deadline()
    scene.comfy.state.answer_delay_ms.clear()
    message = await deadline.end_of(job)
    assert end_of(message), message.text


FAULTS = (
    killed_and_restarted_with_everything_forgotten,
    killed_between_the_end_and_the_fetching,
    dropped_socket,
    half_open_socket,
    deaf_socket,
    stalled_publisher,
    cache_hit_with_deleted_files,
    dropped_outputs,
    interrupted_by_somebody_else,
    out_of_memory,
    view_404,
    view_500_for_a_while,
    view_500_for_ever,
    history_500_for_a_while,
    lost_answer_to_a_post,
    lost_post,
    queue_cleared_by_somebody,
    history_cleared_by_somebody,
)


SLOW = (
    killed_for_longer_than_a_patient_network_waits,
    half_open_socket_before_the_order,
    publisher_stalled_before_the_order,
    frozen_for_a_while,
)
"""Further faults that take long."""


@pytest.mark.parametrize(
    "fault",
    [*FAULTS, *(pytest.param(fault, marks=pytest.mark.soak) for fault in SLOW)],
    ids=lambda fault: fault.__name__,
)
async def test_a_job_ends_truthfully_after(scene: Scene, fault: Callable[[Scene], Awaitable[None]]) -> None:
    await fault(scene)
    assert await still_works(scene)
    ids = scene.comfy.state.seen.prompts
    assert len(ids) == len(set(ids)), "no id is queued twice"


@pytest.mark.parametrize("scene", [half_broken], indirect=True, ids=["node_errors with a 200"])
async def test_an_output_that_the_server_dropped_is_told_beside_the_other(scene: Scene) -> None:
    message = await Deadline().end_of(await scene.start_job())
    assert sizes(message) == [SIZE]
    assert "was-here-once" in message.text or "Gone" in message.text, "what is missing is named"


IDLE = 5.0
impatiently = pytest.mark.parametrize("scene", [partial(impatient, idle_limit=IDLE)], indirect=True, ids=[""])


@impatiently
async def test_a_prompt_of_which_nothing_is_heard_is_stopped_and_told(scene: Scene) -> None:
    scene.comfy.state.seconds_per_step = 1.7 * IDLE
    job = await scene.start_job()
    await asyncio.sleep(IDLE)
    await told(Deadline(), job, "No progress for 5 seconds")
    [prompt_id] = scene.comfy.state.seen.prompts
    assert scene.comfy.state.seen.interrupts == [prompt_id], "that prompt, and nobody else's"
    scene.comfy.state.seconds_per_step = 0.0
    assert await still_works(scene)


@impatiently
async def test_a_prompt_that_never_ends_is_told_although_nothing_stops_it(scene: Scene) -> None:
    scene.comfy.state.load_seconds = 3600.0
    job = await scene.start_job()
    await asyncio.sleep(IDLE)
    await told(Deadline(), job, "won't stop")
    [prompt_id] = scene.comfy.state.seen.prompts
    assert set(scene.comfy.state.seen.interrupts) == {prompt_id}


@impatiently
async def test_a_slow_prompt_that_is_heard_of_is_left_alone(scene: Scene) -> None:
    scene.comfy.state.seconds_per_step = 1.0
    await shown(Deadline(), await scene.start_job())
    assert scene.comfy.state.seen.interrupts == []
