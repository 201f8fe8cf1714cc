"""Buttons under results and forms, as they go over the wire: each is answered with a message of its own."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from bot.sandbox.comfyui import ServerState, StandIn
from tests.images.samples import encoded, gradient
from tests.transport.conftest import Stage, playing
from tests.wire import Attachment, WireDiscord, WireMessage
from tests.wire.bots import pointed_at

SMALL = {"prompt": "a fox", "width": 64, "height": 64, "steps": 1}


def step(message: WireMessage, label: str) -> str:
    """Return the custom id of a button by its label."""
    return next(custom_id for custom_id, button in message.buttons.items() if button["label"] == label)


def size(message: WireMessage) -> tuple[int, int]:
    return Image.open(BytesIO(message.attachments[0].data)).size


async def test_a_button_works_after_a_restart_too(tmp_path: Path) -> None:
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0)) as comfy,
        pointed_at(wire),
    ):
        async with playing(wire, comfy, tmp_path) as stage:
            first = await stage.ended(await stage.order(options=SMALL))
        async with playing(wire, comfy, tmp_path) as stage:
            larger = await stage.ended(await wire.component(first, step(first, "Upscale")))
            assert larger.id != first.id
            assert size(larger) == (128, 128)
            assert size(first) == (64, 64)


async def test_which_picture_is_asked_for_in_a_dialog(stage: Stage) -> None:
    first = await stage.ended(await stage.order(options=SMALL | {"count": 2}))
    opened = await stage.wire.component(first, step(first, "Upscale"))
    assert opened.modal is not None
    larger = await stage.ended(await stage.wire.submit_modal(opened, {"image": ["2"]}))
    assert size(larger) == (128, 128)


async def test_a_file_can_be_given_in_a_dialog(stage: Stage) -> None:
    opened = await stage.wire.slash("run", {"workflow": "upscale"})
    picture = Attachment("mine.png", encoded(gradient(32, 16)))
    larger = await stage.ended(await stage.wire.submit_modal(opened, {"image": [picture]}))
    assert size(larger) == (64, 32)
