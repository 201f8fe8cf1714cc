"""The buttons under a result: another workflow, with a file of it."""

from io import BytesIO
from pathlib import Path

from PIL import Image

from tests.cogs.whole_bot import Scene, done, watching
from tests.harness import Reply
from tests.images.samples import encoded
from tests.paths import WORKFLOWS

PAINT = (WORKFLOWS / "imagine.toml").read_text(encoding="utf-8").partition("[actions")[0]
"""`/imagine` without next steps."""
SAME = """
[actions.same]
label = "Same size"
workflow = "upscale"
input = "image"
values = { factor = 1.0 }
"""


async def painted(it: Scene, command: str = "imagine", **options: object) -> Reply:
    return await done(it.sim, await it.ann.slash(it.art, command, prompt="a fox", width=64, height=64, **options))


async def picture(reply: Reply, number: int = 0) -> Image.Image:
    return Image.open(BytesIO(await reply.message.read(reply.files[number]))).convert("RGB")


async def test_a_button_gives_the_result_to_another_workflow_for_whoever_presses_it(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "img2img", "upscale") as it:
        first = await painted(it)
        assert first.message.buttons == ["Upscale", "Vary"], "what leads to nothing here is not offered"

        larger = await done(it.sim, await it.boss.press(first.message, "Upscale"))
        assert not larger.ephemeral
        assert (await picture(larger)).size == (128, 128)
        assert first.message.files == first.files, "the first message stays as it is"

        varied = await done(it.sim, await it.ann.press(first.message, "Vary"))
        assert "a fox" in varied.text
        assert (await picture(varied)).size == (64, 64)
        again = await done(it.sim, await it.ann.press(varied.message, "Upscale"))
        assert (await picture(again)).size == (128, 128)


async def test_of_several_pictures_one_is_chosen(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale", paint_toml='graph = "imagine.json"\n' + PAINT + SAME) as it:
        first = await painted(it, "paint", count=3)
        assert len(first.files) == 3
        asked = await it.ann.press(first.message, "Same size")
        assert asked.modal
        reply = await done(it.sim, await it.ann.submit(asked, {"image": ["2"]}))
        pictures = [(await picture(first, number)).tobytes() for number in range(3)]
        assert pictures.index((await picture(reply)).tobytes()) == 1


async def test_what_the_other_workflow_lacks_is_asked_for(tmp_path: Path) -> None:
    repaint = '\n[actions.again]\nlabel = "Again"\nworkflow = "inpaint"\ninput = "image"\nkeep = ["negative"]\n'
    async with watching(tmp_path, "imagine", "inpaint", paint_toml='graph = "imagine.json"\n' + PAINT + repaint) as it:
        first = await painted(it, "paint", negative="fog")
        asked = await it.ann.press(first.message, "Again")
        assert asked.modal
        white = Image.new("RGB", (64, 64), "white")
        answers = {"prompt": "a cat", "mask": ("mask.png", encoded(white))}
        reply = await done(it.sim, await it.ann.submit(asked, answers))
        assert "a cat" in reply.text
        assert "negative fog" in reply.text


async def test_a_step_that_cannot_be_taken_any_more_says_why(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        first = await painted(it)
        aside = tmp_path / "aside"
        aside.mkdir()
        for file in it.folder.glob("upscale.*"):
            file.rename(aside / file.name)
        await it.boss.slash(it.art, "workflow reload")
        refused = await it.ann.press(first.message, "Upscale")
        assert refused.ephemeral
        assert "There's no workflow “upscale”" in refused.text

        for file in aside.iterdir():
            file.rename(it.folder / file.name)
        await it.boss.slash(it.art, "workflow reload")
        for folder in (tmp_path / "results").iterdir():
            for file in folder.iterdir():
                file.unlink()
        gone = await it.ann.press(first.message, "Upscale")
        await it.sim.until(lambda: "has expired" in gone.text)


async def test_a_switched_off_command_is_not_reached_through_a_button(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        first = await painted(it)
        await it.boss.slash(it.art, "workflow disable", workflow="upscale")
        refused = await it.ann.press(first.message, "Upscale")
        assert refused.ephemeral
        assert "is disabled here" in refused.text
        assert (await painted(it)).message.buttons == [], "nor is it offered again"


async def test_a_picture_is_not_offered_to_what_takes_films(tmp_path: Path) -> None:
    film = 'schema = 1\ntitle = "Film"\ndescription = "f"\ngraph = "upscale.json"\n[options.film]\nkind = "video"\n'
    film += 'description = "f"\nbind = "Picture.image"\n'
    step = '\n[actions.cut]\nlabel = "Cut"\nworkflow = "film"\ninput = "film"\n'
    async with watching(
        tmp_path, "imagine", "upscale", film_toml=film, paint_toml='graph = "imagine.json"\n' + PAINT + SAME + step
    ) as it:
        assert (await painted(it, "paint")).message.buttons == ["Same size"]
