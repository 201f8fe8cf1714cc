"""`/run` and the forms: everything that a slash command does not hold."""

from pathlib import Path

from tests.cogs.whole_bot import done, watching
from tests.images.samples import encoded, gradient

HEAD = 'schema = 1\ntitle = "Painting"\ndescription = "Paint"\ntags = ["oil"]\ngraph = "imagine.json"\n'
PROMPT = '[options.prompt]\nkind = "text"\ndescription = "What"\nrequired = true\nbind = "Positive Prompt.text"\n'
CHECKPOINT = """
[options.checkpoint]
kind = "model"
description = "The model"
advanced = true
from = "CheckpointLoaderSimple.ckpt_name"
bind = "Checkpoint.ckpt_name"
"""
MORE = """
[options.steps]
kind = "integer"
description = "How long"
min = 1
max = 30
default = 4
advanced = true
bind = "Sampler.steps"
[options.cfg]
kind = "number"
description = "How close"
advanced = true
bind = "Sampler.cfg"
[options.sampler]
kind = "choice"
description = "The method"
from = "KSampler.sampler_name"
default = "euler"
advanced = true
bind = "Sampler.sampler_name"
[options.size]
kind = "size"
description = "How large"
advanced = true
bind = { width = "Canvas.width", height = "Canvas.height" }
[options.negative]
kind = "text"
description = "What not"
advanced = true
bind = "Negative Prompt.text"
[presets.quick]
title = "Quick one"
values = { steps = 2 }
"""


def plain(text: str) -> str:
    return text.replace("`", "").replace(":", "").replace("**", "")


async def test_a_workflow_without_a_command_is_found_by_tag_and_runs(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", painting_toml=HEAD + "slash = false\n" + PROMPT + CHECKPOINT) as it:
        assert "painting" not in it.ann.commands(it.art)
        assert await it.ann.autocomplete(it.art, "run", "workflow", "oil") == ["painting – Painting (oil)"]
        reply = await done(it.sim, await it.ann.slash(it.art, "run", workflow="painting", prompt="a fox"))
        assert "a fox" in reply.text
        assert len(reply.files) == 1


async def test_what_is_lacking_is_asked_for(tmp_path: Path) -> None:
    async with watching(tmp_path, "img2img") as it:
        asked = await it.ann.slash(it.art, "run", workflow="img2img", prompt="a fox")
        assert asked.modal
        reply = await it.ann.submit(asked, {"image": ("a.png", encoded(gradient(64, 64)))})
        assert len((await done(it.sim, reply)).files) == 1
        taken = await it.ann.slash(
            it.art, "run", workflow="img2img", prompt="a fox", image=("a.png", encoded(gradient(64, 64)))
        )
        assert len((await done(it.sim, taken)).files) == 1


async def test_what_cannot_be_run_is_explained(tmp_path: Path) -> None:
    broken, flux = HEAD + PROMPT.replace("Positive", "Positve"), HEAD + '[requires]\nnodes = ["Flux"]\n' + PROMPT
    async with watching(tmp_path, "imagine", broken_toml=broken, flux_toml=flux) as it:
        assert {"broken", "flux"}.isdisjoint(it.ann.commands(it.art))
        for name, sentence in (
            ("broken", "is broken right now"),
            ("flux", "/flux is disabled: no GPU server has everything it needs. Missing: the node “Flux”."),
            ("imagin", "Did you mean “imagine”?"),
            ("zzzz", "Please pick one from the list"),
        ):
            reply = await it.ann.slash(it.art, "run", workflow=name, prompt="x")
            assert reply.ephemeral
            assert sentence in reply.text
        refused = await it.ann.slash(
            it.art, "run", workflow="imagine", prompt="x", image=("a.png", encoded(gradient(8, 8)))
        )
        assert "has no file option" in refused.text


async def test_a_form_of_several_pages_keeps_what_was_typed_and_starts_when_it_is_right(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", painting_toml=HEAD + PROMPT + MORE + CHECKPOINT) as it:
        first = await it.ann.slash(it.art, "painting", prompt="a fox", advanced=True)
        assert first.modal
        assert "1/2" in first.modal["title"]
        page = await it.ann.submit(first, {"preset": ["Quick one"], "cfg": "3,5", "sampler": "ddim", "steps": "99"})
        assert page.ephemeral
        assert "**steps** must be at most 30" in page.text
        assert "`cfg`: 3,5" in page.text

        again = await it.ann.press(page.message, "preset, steps, cfg, sampler, size")
        assert again.modal
        await it.ann.submit(
            again, {"preset": ["Quick one"], "cfg": "3.5", "sampler": "ddim", "steps": "", "size": "64x96"}
        )
        assert "must be" not in page.message.text
        second = await it.ann.press(page.message, "negative, checkpoint")
        await it.ann.submit(second, {"negative": "fog"})
        started = await it.ann.press(page.message, "Start")
        reply = await done(it.sim, started)
        assert not reply.ephemeral
        assert "Sent" in page.message.text
        assert "steps 2" in plain(reply.text)
        assert "sampler ddim" in plain(reply.text)
        assert "size 64x96" in plain(reply.text)


async def test_one_page_starts_at_once_and_a_discarded_form_starts_nothing(tmp_path: Path) -> None:
    short = HEAD + PROMPT + MORE.split("[options.size]")[0] + CHECKPOINT
    async with watching(tmp_path, "imagine", painting_toml=short) as it:
        asked = await it.ann.slash(it.art, "painting", prompt="a fox", advanced=True)
        reply = await it.ann.submit(asked, {"steps": "3"})
        assert not reply.ephemeral
        assert len((await done(it.sim, reply)).files) == 1

        asked = await it.ann.slash(it.art, "painting", prompt="a fox", advanced=True)
        page = await it.ann.submit(asked, {"steps": "many"})
        await it.ann.press(page.message, "Discard")
        assert "Discarded" in page.message.text
