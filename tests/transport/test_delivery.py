"""From the interaction to the pictures, over real HTTP: acknowledged, delivered, and answered whatever Discord says."""

import asyncio
import re
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from bot.sandbox.comfyui import ServerState, StandIn
from tests.transport.conftest import Stage, playing
from tests.wire import Attachment, Rate, WireDiscord, WireMessage
from tests.wire.bots import pointed_at


def png(size: tuple[int, int] = (64, 48), colour: str = "teal") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


async def test_a_command_becomes_a_picture_in_its_own_message(stage: Stage) -> None:
    job = await stage.order(options={"prompt": "a fox in the snow", "seed": str(2**64 - 1), "width": 128, "height": 64})
    message = await stage.ended(job)
    assert job.response_type == 4
    assert "a fox in the snow" in message.text
    assert "seed 18446744073709551615" in message.text
    [picture] = message.attachments
    with Image.open(BytesIO(picture.data)) as image:
        assert image.size == (128, 64)
        assert not image.info, "the workflow that ComfyUI writes into its pictures is removed"


async def test_twenty_members_get_their_own_pictures_over_one_socket(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.005
    jobs = await asyncio.gather(
        *(
            stage.order(
                options={"prompt": f"picture {user}", "width": 64 + 8 * user, "height": 64}, user_id=1000 + user
            )
            for user in range(20)
        )
    )
    messages = await asyncio.gather(*(stage.ended(job, 60.0) for job in jobs))
    for user, message in enumerate(messages):
        assert f"picture {user}" in message.text
        with Image.open(BytesIO(message.attachments[0].data)) as image:
            assert image.size == (64 + 8 * user, 64)
    seen = stage.comfy.state.seen
    assert seen.sockets_opened == 1
    assert seen.requests["GET /history"] == 20, "one look for each job, no polling"
    assert stage.wire.counters.rate_limited == 0
    assert len(seen.prompts) == len(set(seen.prompts)) == 20
    for job in jobs:
        times = [edit.at for edit in job.edits[:-1]]
        assert all(later - earlier >= 1.45 for earlier, later in pairwise(times))


async def test_an_attached_picture_reaches_comfyui_with_its_pixels(stage: Stage) -> None:
    original = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    buffer = BytesIO()
    original.save(buffer, "PNG")
    job = await stage.order("upscale", {"image": Attachment("../../evil.png", buffer.getvalue()), "factor": 1.0})
    message = await stage.ended(job)
    assert message.attachments, message.text
    [(name, stored_bytes)] = stage.comfy.state.seen.uploads.items()
    assert re.fullmatch(r"([a-z]+/)?cc_[0-9a-f]+\.png", name)
    with Image.open(BytesIO(stored_bytes)) as stored:
        assert stored.convert("RGB").tobytes() == original.tobytes()


@pytest.mark.parametrize(
    ("attachment", "words"),
    [
        (Attachment("x [output].png", b""), "empty"),
        (Attachment("note.png", b"only text, whatever the name says"), "as an image"),
        (Attachment("cut.png", png()[:60]), "That image is damaged"),
        (Attachment("gone.png", png(), status=404), "attach it again"),
        (Attachment("huge.png", png(), size=900 * 1024 * 1024), "the limit is 25"),
    ],
)
async def test_a_bad_attachment_gets_a_sentence_and_harms_nothing(
    stage: Stage, attachment: Attachment, words: str
) -> None:
    job = await stage.order("img2img", {"image": attachment, "prompt": "x"})
    message = await stage.ended(job)
    assert words in message.text
    assert message.text.count("Traceback") == 0
    assert stage.comfy.state.seen.prompts == []
    assert (await stage.ended(await stage.order())).attachments, "the bot goes on"


async def test_values_out_of_range_are_refused_privately_before_anything_is_sent(stage: Stage) -> None:
    job = await stage.order(options={"prompt": "x", "sampler": "no such sampler"})
    assert job.message is not None
    assert job.message.is_ephemeral
    assert "sampler" in job.text
    job = await stage.order(options={"prompt": "x", "seed": "18446744073709551616"})
    assert "seed" in job.text
    assert stage.comfy.state.seen.prompts == []


async def test_an_expired_token_is_followed_by_the_bots_own(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.02
    job = await stage.order()
    job.expire()
    message = await stage.ended(job)
    assert message.attachments
    assert job.edits[-1].via == "bot"


async def test_rate_limits_and_server_errors_only_delay(stage: Stage) -> None:
    stage.wire.state.webhook_rate = Rate(1, 0.5)
    fault = stage.wire.state.fail(r"PATCH .*/webhooks", 503, body="upstream connect error")
    assert (await stage.ended(await stage.order())).attachments
    assert fault.hits == 1


async def test_a_dropped_connection_only_delays(stage: Stage) -> None:
    fault = stage.wire.state.drop(r"PATCH .*/webhooks")
    assert (await stage.ended(await stage.order())).attachments
    assert fault.hits == 1


async def test_pictures_that_are_too_large_are_made_to_fit(stage: Stage) -> None:
    job = await stage.order(options={"prompt": "noise", "width": 512, "height": 512}, size_limit=60_000)
    message = await stage.ended(job)
    [picture] = message.attachments
    assert len(picture.data) <= 60_000
    with Image.open(BytesIO(picture.data)) as image:
        image.load()


async def test_a_deleted_message_ends_the_job_quietly(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.02
    job = await stage.order()
    assert job.message is not None
    job.message.delete()
    again = await stage.order()
    assert (await stage.ended(again)).attachments
    refused = [request for request in stage.wire.requests if request.status in (401, 403, 404)]
    assert len(refused) <= 2, "a message that is gone is not edited again and again"


async def test_where_only_the_member_has_installed_it_the_token_serves(tmp_path: Path) -> None:
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path, everywhere=True) as stage,
    ):
        job = await stage.order(user_install=True)
        assert (await stage.ended(job)).attachments
    assert {edit.via for edit in job.edits} == {"callback", "token"}


def shows(message: WireMessage) -> list[str]:
    """Return the buttons that bring a fresh token."""
    return [custom_id for custom_id in message.buttons if custom_id.startswith("cc:show:")]


async def test_a_private_job_goes_on_under_the_token_of_a_press(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.3
    job = await stage.order(force_ephemeral=True, age=820.0)
    message = await job.wait_for(lambda message: bool(shows(message)), 10.0)
    [custom_id] = shows(message)
    job.expire()
    await stage.wire.component(message, custom_id)
    ended = await stage.ended(job)
    assert ended.attachments
    assert {custom_id.split(":")[1] for custom_id in ended.buttons} == {"next"}, "nothing is left to cancel or to bring"


async def test_commands_are_registered_only_when_they_changed(stage: Stage) -> None:
    before = stage.wire.counters.command_puts
    assert before == 1
    assert await stage.app.sync_commands() == []
    assert stage.wire.counters.command_puts == before
