"""`/workflow`: what those who manage a guild see and decide."""

import json
from pathlib import Path

import pytest

from tests.cogs.whole_bot import WORKFLOWS, done, watching


async def test_the_list_tells_what_is_wrong_and_how_to_mend_it(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        text = (it.folder / "upscale.toml").read_text(encoding="utf-8")
        (it.folder / "upscale.toml").write_text(text.replace("scale_by", "scale"), encoding="utf-8")
        (it.folder / "odd.json").write_text("[]", encoding="utf-8")
        reply = await it.boss.slash(it.art, "workflow reload")
        assert "Errors (previous version stays active): upscale" in reply.text
        reply = await it.boss.slash(it.art, "workflow list")
        assert reply.ephemeral
        assert "🟢 **/imagine**" in reply.text
        assert "🟠 **/upscale**" in reply.text
        assert "Did you mean “scale\\_by”?" in reply.text
        assert "🔴 **odd**" in reply.text
        assert "is not a workflow" in reply.text
        details = await it.boss.slash(it.art, "workflow list", workflow="imagine")
        assert "Options: prompt, negative" in details.text
        assert "version" in details.text


async def test_a_workflow_is_off_in_the_guild_but_for_one_channel(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        other = it.sim.channel("other")
        await it.boss.slash(it.art, "workflow disable", workflow="imagine")
        refused = await it.ann.slash(it.art, "imagine", prompt="a fox")
        assert refused.ephemeral
        assert "/imagine is disabled here" in refused.text
        await it.boss.slash(it.art, "workflow enable", workflow="imagine", channel=it.art)
        refused = await it.ann.slash(other, "imagine", prompt="a fox")
        assert "Please use /imagine in" in refused.text
        await done(it.sim, await it.ann.slash(it.art, "imagine", prompt="a fox"))


async def test_defaults_and_limits_of_the_guild_hold_and_are_refused_when_they_make_no_sense(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        bad = await it.boss.slash(it.art, "workflow default", workflow="imagine", option="steps", value="many")
        assert "**steps** must be a whole number" in bad.text
        near = await it.boss.slash(it.art, "workflow default", workflow="imagine", option="stesp", value="3")
        assert "Did you mean “steps”?" in near.text
        await it.boss.slash(it.art, "workflow default", workflow="imagine", option="steps", value="3")
        reply = await done(it.sim, await it.ann.slash(it.art, "imagine", prompt="a fox"))
        assert "steps 3" in reply.text.replace("`", "").replace(":", "")
        await it.boss.slash(it.art, "workflow limit", largest_side=512, most_steps=10)
        refused = await it.ann.slash(it.art, "imagine", prompt="a fox", width=1024)
        assert "at most" in refused.text
        assert "512" in refused.text
        refused = await it.ann.slash(it.art, "imagine", prompt="a fox", steps=11)
        assert "limit of 10" in refused.text
        await it.boss.slash(it.art, "workflow limit", largest_side=0, most_steps=0)
        await done(it.sim, await it.ann.slash(it.art, "imagine", prompt="a fox", width=1024))


async def test_a_file_becomes_a_command_when_it_is_wished(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        export = json.dumps(json.loads((WORKFLOWS / "img2img.json").read_text(encoding="utf-8"))).encode()
        reply = await it.boss.slash(it.art, "workflow add", file=("Over it.json", export))
        assert reply.ephemeral
        assert "/over_it" in reply.message.text
        assert "strength" in reply.message.text
        assert not (it.folder / "over_it.toml").exists(), "nothing is written before Add"
        await it.boss.press(reply.message, "Add /over_it")
        assert "It appears in a moment" in reply.message.text
        assert (it.folder / "over_it.json").read_bytes() == export
        await it.sim.until(lambda: "over_it" in it.ann.commands(it.art))
        again = await it.boss.slash(it.art, "workflow add", file=("over it.json", export))
        assert "A workflow named “over" in again.text


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (("x.json", b"{"), "is not valid JSON"),
        (("x.json", b'{"1": {"class_type": "A", "inputs": {}}, "2": []}'), "not nodes"),
        (("x.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40), "x.png"),
        (("../../etc/passwd", b"hello"), "passwd"),
    ],
)
async def test_rubbish_gets_a_sentence_and_adds_nothing(tmp_path: Path, file: tuple[str, bytes], sentence: str) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        before = sorted(path.name for path in it.folder.iterdir())
        reply = await it.boss.slash(it.art, "workflow add", file=file)
        assert reply.ephemeral
        assert sentence in reply.text or "Add" not in reply.text
        assert sorted(path.name for path in it.folder.iterdir()) == before


async def test_who_does_not_manage_the_guild_may_do_nothing(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine", "upscale") as it:
        await it.sim.offer("workflow", it.ann)
        for command, options in (
            ("workflow list", {}),
            ("workflow reload", {}),
            ("workflow disable", {"workflow": "imagine"}),
            ("workflow default", {"workflow": "imagine", "option": "steps", "value": "3"}),
            ("workflow limit", {"most_steps": 1}),
            ("workflow add", {"file": ("x.json", b"{}")}),
        ):
            reply = await it.ann.slash(it.art, command, **options)
            assert "**Manage Server**" in reply.text or "Only the bot's owner" in reply.text, command
        await done(it.sim, await it.ann.slash(it.art, "imagine", prompt="a fox"))
