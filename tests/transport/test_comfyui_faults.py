"""What the member reads when ComfyUI fails: always a sentence, never a path, and soon."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from bot.sandbox.comfyui import (
    ALWAYS,
    BLOCKED,
    BLOCKED_SILENTLY,
    OUT_OF_MEMORY,
    Generation,
    NodeFault,
    ServerState,
    StandIn,
)
from tests.transport.conftest import Stage, playing, until
from tests.transport.test_delivery import png
from tests.wire import Attachment, WireDiscord
from tests.wire.bots import pointed_at

PATHS = re.compile(r"[A-Za-z]:\\\\|/\w+/|\.py|Traceback")


async def told(stage: Stage, name: str = "imagine", options: dict[str, Any] | None = None) -> str:
    """Return what the member reads instead of pictures."""
    message = await stage.ended(await stage.order(name, options))
    assert not message.attachments
    assert not PATHS.search(message.text), message.text
    return message.text


FAILURES = [
    (NodeFault("cannot read '/srv/comfy/models/x.bin'\n", "ValueError"), "Sampler"),
    (OUT_OF_MEMORY, "memory"),
    (BLOCKED, "not allowed here"),
    (BLOCKED_SILENTLY, "saved nothing"),
]


@pytest.mark.parametrize(("fault", "words"), FAILURES)
async def test_a_failed_run_is_told_in_a_sentence(stage: Stage, fault: NodeFault, words: str) -> None:
    stage.comfy.state.node_faults["KSampler"] = fault
    assert words in await told(stage)
    stage.comfy.state.node_faults.clear()
    assert (await stage.ended(await stage.order())).attachments, "the next job works"


async def test_an_interruption_by_somebody_else_is_told(stage: Stage) -> None:
    stage.comfy.state.interrupt_at_step = 2
    assert "stopped" in await told(stage)


async def test_a_checkpoint_that_went_away_is_named(stage: Stage) -> None:
    stage.comfy.state.models["checkpoints"] = []
    text = await told(stage, options={"prompt": "x", "checkpoint": "dreamscape-sd15.safetensors"})
    assert "dreamscape-sd15.safetensors" in text


async def test_a_missing_node_is_named(stage: Stage) -> None:
    stage.comfy.state.missing_classes.add("ImageScaleBy")
    picture = Attachment("in.png", png())
    assert "ImageScaleBy" in await told(stage, "upscale", {"image": picture, "factor": 2.0})


@pytest.mark.parametrize(
    ("request_", "words"),
    [("POST /prompt", "ComfyUI"), ("GET /history", "won't report the result"), ("GET /view", "can't deliver")],
)
async def test_server_errors_end_in_a_sentence_or_pass(stage: Stage, request_: str, words: str) -> None:
    stage.comfy.state.answer_500[request_] = ALWAYS
    assert words in await told(stage)
    stage.comfy.state.answer_500.clear()
    assert (await stage.ended(await stage.order())).attachments


async def test_a_file_that_vanished_is_told(stage: Stage) -> None:
    stage.comfy.state.delete_outputs = True
    assert "its file is gone" in await told(stage)


async def test_an_answer_that_was_lost_posts_nothing_twice(stage: Stage) -> None:
    stage.comfy.state.drop_answer["POST /prompt"] = 1
    assert (await stage.ended(await stage.order())).attachments
    assert len(stage.comfy.state.seen.prompts) == 1


async def test_a_late_history_is_waited_for(stage: Stage) -> None:
    stage.comfy.state.history_delay = 0.3
    assert (await stage.ended(await stage.order())).attachments


async def test_an_old_server_works_as_well(stage: Stage) -> None:
    stage.comfy.state.generation = Generation.OLD
    assert (await stage.ended(await stage.order())).attachments


async def test_a_killed_and_restarted_comfyui_gets_the_job_once_more(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.05
    job = await stage.order()
    await until(lambda: stage.comfy.state.seen.frames["progress"])
    await stage.comfy.kill()
    await asyncio.sleep(0.3)
    await stage.comfy.start()
    message = await stage.ended(job, 20.0)
    assert message.attachments, message.text
    ids = stage.comfy.state.seen.prompts
    assert len(ids) == len(set(ids)) == 2


async def test_jobs_wait_while_comfyui_is_away(stage: Stage) -> None:
    await stage.comfy.kill()
    await until(lambda: not stage.app.fleet.any_online())
    job = await stage.order()
    assert "offline" in job.text
    await stage.comfy.start()
    assert (await stage.ended(job, 20.0)).attachments


async def test_a_job_from_before_the_first_contact_runs_with_what_the_server_has(tmp_path: Path) -> None:
    models = {"checkpoints": ["only-this.safetensors"]}
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0, models=models)) as comfy,
        pointed_at(wire),
    ):
        await comfy.kill()
        async with playing(wire, comfy, tmp_path) as stage:
            job = await stage.order()
            assert "offline" in job.text
            await comfy.start()
            message = await stage.ended(job, 20.0)
    assert message.attachments, message.text
    assert "only-this.safetensors" in message.text.replace("\\", "")
