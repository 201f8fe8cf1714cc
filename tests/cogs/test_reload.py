"""From a pair in the folder to the command, and back, while the bot runs."""

import shutil
from pathlib import Path

from tests.cogs.stage import WORKFLOWS, done, watching


async def test_a_dropped_pair_is_a_command_within_seconds_and_a_broken_edit_keeps_it(tmp_path: Path) -> None:
    async with watching(tmp_path, "imagine") as it:
        assert "paint" not in it.ann.commands(it.art)
        text = (WORKFLOWS / "imagine.toml").read_text(encoding="utf-8")
        (it.folder / "paint.toml").write_text(text, encoding="utf-8")
        shutil.copy(WORKFLOWS / "imagine.json", it.folder / "paint.json")
        await it.sim.until(lambda: "paint" in it.ann.commands(it.art))
        assert len((await done(it.sim, await it.ann.slash(it.art, "paint", prompt="a lighthouse"))).files) == 1

        (it.folder / "paint.toml").write_text(text.replace("Sampler.steps", "nothing"), encoding="utf-8")
        (it.folder / "imagine.toml").unlink()
        await it.sim.until(lambda: "imagine" not in it.ann.commands(it.art))
        again = await done(it.sim, await it.ann.slash(it.art, "paint", prompt="a lighthouse", steps=3))
        assert len(again.files) == 1
