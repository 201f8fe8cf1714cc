"""Workflows that come, change and break while the bot runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.workflow.library.catalog import Catalog
from bot.workflow.library.library import Changes, Library
from tests.clocks import ManualClock
from tests.workflow.samples import SHIPPED


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("imagine", "upscale"):
        for ending in ("json", "toml"):
            shutil.copy(SHIPPED / f"{name}.{ending}", tmp_path)
    return tmp_path


def opened(folder: Path) -> Library:
    return Library(Catalog.load(folder), folder=folder, clock=ManualClock())


def edit(file: Path, change: Callable[[str], str]) -> None:
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


def broken(folder: Path, name: str = "imagine") -> None:
    edit(folder / f"{name}.toml", lambda text: text.replace("Sampler.steps", "Sampler.stepz"))


async def test_a_new_pair_is_added_and_one_that_is_taken_away_goes(folder: Path) -> None:
    library = opened(folder)
    heard: list[Changes] = []
    library.on_change(heard.append)
    for ending in ("json", "toml"):
        shutil.copy(SHIPPED / f"img2img.{ending}", folder)
        (folder / f"upscale.{ending}").unlink()
    assert await library.reload() == Changes(added=("img2img",), removed=("upscale",))
    assert list(library.workflows) == ["imagine", "img2img"]
    assert len(heard) == 1
    assert not await library.reload()
    assert len(heard) == 1, "nothing has changed"


async def test_a_broken_edit_keeps_the_old_version_until_it_is_mended_or_gone(folder: Path) -> None:
    library = opened(folder)
    before = library.workflows["imagine"]
    broken(folder)
    assert await library.reload() == Changes(kept=("imagine",))
    assert library.workflows["imagine"] is before
    entry = next(entry for entry in library.entries() if entry.name == "imagine")
    assert entry.is_kept
    assert "Did you mean “steps”?" in str(entry.problems[0])

    edit(
        folder / "imagine.toml",
        lambda text: text.replace("Sampler.stepz", "Sampler.steps").replace("Generate an", "An"),
    )
    assert await library.reload() == Changes(changed=("imagine",))
    assert library.workflows["imagine"].version != before.version
    assert [entry.problems for entry in library.entries()] == [(), ()]


@pytest.mark.parametrize("gone", ["imagine.json", "imagine.toml"])
async def test_half_of_a_pair(folder: Path, gone: str) -> None:
    library = opened(folder)
    (folder / gone).unlink()
    await library.reload()
    assert ("imagine" in library.workflows) is (gone == "imagine.json"), "without its graph the old version goes on"


async def test_after_a_restart_nothing_older_is_known(folder: Path) -> None:
    broken(folder)
    entry = opened(folder).entries()[0]
    assert (entry.name, entry.workflow, entry.is_kept) == ("imagine", None, False)
    assert entry.problems


async def test_a_folder_that_vanishes_takes_nothing_with_it(folder: Path) -> None:
    library = opened(folder)
    shutil.rmtree(folder)
    assert not await library.reload()
    assert list(library.workflows) == ["imagine", "upscale"]
    assert library.problems


async def test_a_pair_that_gets_another_name(folder: Path) -> None:
    library = opened(folder)
    edit(folder / "imagine.toml", lambda text: text.replace("schema = 1", 'schema = 1\ncommand = "paint"'))
    assert await library.reload() == Changes(added=("paint",), removed=("imagine",))
    (folder / "upscale.toml").rename(folder / "bigger.toml")
    (folder / "upscale.json").rename(folder / "bigger.json")
    assert await library.reload() == Changes(added=("bigger",), removed=("upscale",))


async def test_two_pairs_cannot_have_one_command(folder: Path) -> None:
    edit(folder / "upscale.toml", lambda text: text.replace("schema = 1", 'schema = 1\ncommand = "imagine"'))
    catalog = Catalog.load(folder)
    assert list(catalog.workflows) == ["imagine"]
    assert [str(problem) for problem in catalog.problems] == [
        'upscale.toml: “imagine” is already the command of imagine.toml. Give this one another name: command = "…".'
    ]


async def test_the_version_changes_with_the_graph_and_the_manifest_only(folder: Path) -> None:
    first = Catalog.load(folder).workflows["imagine"].version
    assert len(first) == 16
    edit(folder / "imagine.json", lambda text: text.replace("\n", "\n "))
    assert Catalog.load(folder).workflows["imagine"].version == first, "only the layout"
    edit(folder / "imagine.json", lambda text: text.replace('"euler"', '"ddim"'))
    second = Catalog.load(folder).workflows["imagine"].version
    edit(folder / "imagine.toml", lambda text: text + "\n")
    assert len({first, second, Catalog.load(folder).workflows["imagine"].version}) == 3
