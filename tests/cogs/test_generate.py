"""The commands as members meet them: on a simulated Discord, with a stand-in that draws."""

from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.policy.limits import Limits
from bot.sandbox.comfyui import ServerState
from bot.ui.page import Tone
from tests.cogs.whole_bot import done, playing
from tests.harness import OptionError, Reply, Simulation


@pytest.fixture
async def sim(tmp_path: Path) -> AsyncGenerator[Simulation]:
    async with playing(tmp_path, ServerState(seconds_per_step=0.0)) as sim:
        yield sim


def png(mode: str = "RGB", colour: object = "teal", size: tuple[int, int] = (64, 64)) -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")  # type: ignore[arg-type]
    return buffer.getvalue()


def picture(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


async def test_a_member_asks_and_everybody_sees_the_picture(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    reply = await done(sim, await ann.slash(art, "imagine", prompt="a lighthouse", width=64, height=64, seed="7"))
    assert not reply.ephemeral
    assert "a lighthouse" in reply.text
    assert "seed 7" in reply.text
    assert picture(await reply.message.read()).size == (64, 64)


async def test_the_same_seed_gives_the_same_picture_and_another_prompt_another(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    pictures = []
    for prompt, seed in (("a cat", "1"), ("a cat", "1"), ("a city at night", "1"), ("a cat", "2")):
        reply = await ann.slash(art, "imagine", prompt=prompt, seed=seed, width=64, height=64)
        pictures.append(picture(await (await done(sim, reply)).message.read()).tobytes())
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 3


async def test_several_pictures_come_in_one_message(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    reply = await done(sim, await ann.slash(art, "imagine", prompt="four cats", width=64, height=64, count=4))
    assert len(reply.files) == 4
    assert len(sim.messages(art)) == 1


async def test_options_know_their_limits_and_live_choices(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    with pytest.raises(OptionError):
        await ann.slash(art, "imagine", prompt="x", steps=100_000)
    assert "euler" in await ann.autocomplete(art, "imagine", "sampler", "eu", prompt="x")
    assert await ann.autocomplete(art, "imagine", "checkpoint", "ink", prompt="x") == ["inkwash-sdxl.safetensors"]


async def test_img2img_keeps_its_picture_visible(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    red = png(colour=(230, 20, 20))
    reply = await ann.slash(art, "img2img", image=("in.png", red), prompt="a forest", strength=0.2)
    red_share = picture(await (await done(sim, reply)).message.read()).resize((1, 1)).getpixel((0, 0))
    assert isinstance(red_share, tuple)
    assert red_share[0] > red_share[1] + 40


@pytest.mark.parametrize("by_mask", [True, False])
async def test_inpaint_repaints_what_was_marked_and_nothing_else(sim: Simulation, by_mask: bool) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    whole = Image.new("RGBA", (128, 128), (200, 30, 30, 255))
    mask = Image.new("L", (128, 128), 0)
    mask.paste(255, (64, 0, 128, 128))
    if not by_mask:
        whole.putalpha(mask.point(lambda value: 255 - value))
    source, marked = BytesIO(), BytesIO()
    whole.save(source, "PNG")
    mask.save(marked, "PNG")
    extra = {"mask": ("mask.png", marked.getvalue())} if by_mask else {}
    reply = await ann.slash(art, "inpaint", image=("in.png", source.getvalue()), prompt="the sea", **extra)
    result = picture(await (await done(sim, reply)).message.read())
    left, right = result.crop((0, 0, 56, 128)), result.crop((80, 0, 128, 128))
    assert left.getcolors() == [(56 * 128, (200, 30, 30))]
    assert (200, 30, 30) not in {colour for _, colour in right.getcolors(48 * 128) or ()}


async def test_inpaint_without_a_mark_says_what_to_do(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    reply = await ann.slash(art, "inpaint", image=("in.png", png()), prompt="the sea")
    await sim.until(lambda: "mask" in reply.text)
    assert Tone.FAILED.value in reply.message.accents


async def test_upscale_enlarges(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    reply = await done(sim, await ann.slash(art, "upscale", image=("in.png", png()), factor=2.0))
    assert picture(await reply.message.read()).size == (128, 128)


async def test_a_prompt_pings_nobody(sim: Simulation) -> None:
    ann, art = sim.member("ann"), sim.channel("art")
    reply = await done(sim, await ann.slash(art, "imagine", prompt="@everyone <@1> look", width=64, height=64))
    assert not reply.message.raw.mention_everyone
    assert not reply.message.raw.mentions


async def test_who_asks_for_too_much_is_told_so_in_private(tmp_path: Path) -> None:
    limits = Limits(max_waiting_per_member=1, max_steps=10)
    state = ServerState(seconds_per_step=0.05)
    async with playing(tmp_path, state, limits) as sim:
        ann, bob, art = sim.member("ann"), sim.member("bob"), sim.channel("art")
        reply = await ann.slash(art, "imagine", prompt="x", steps=20)
        assert reply.ephemeral
        assert "limit of 10" in reply.text
        for on_the_server in (1, 2, 2):  # one runs, one is next on the server, one waits
            assert not (await ann.slash(art, "imagine", prompt="x", steps=10, width=64, height=64)).ephemeral
            await sim.until(lambda most=on_the_server: len(state.seen.prompts) >= most)
        refused = await ann.slash(art, "imagine", prompt="x", steps=10)
        assert refused.ephemeral
        assert "in the queue" in refused.text
        assert not (await bob.slash(art, "imagine", prompt="x", steps=10)).ephemeral, "others still may"


async def test_who_waits_reads_their_place_in_the_queue(tmp_path: Path) -> None:
    state = ServerState(seconds_per_step=0.25)  # a run is longer than the pause between two edits
    async with playing(tmp_path, state) as sim:
        ann, art = sim.member("ann"), sim.channel("art")
        replies: list[Reply] = []
        for n, on_the_server in enumerate((1, 2, 2, 2, 2)):
            replies.append(await ann.slash(art, "imagine", prompt=f"{n}", steps=10, width=64, height=64))
            await sim.until(lambda most=on_the_server: len(state.seen.prompts) >= most)
        assert "#3 of 3" in replies[-1].text
        await sim.until(lambda: "step" in replies[0].text)
        await sim.until(lambda: "#1 of" in replies[-1].text or "in a moment" in replies[-1].text, within=20.0)
