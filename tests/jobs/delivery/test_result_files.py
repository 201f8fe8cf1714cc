"""Results on disk: whole or not at all, and never where a server's file name points."""

import os
from pathlib import Path

import pytest

from bot.jobs.delivery.result_files import INDEX, TEMPORARY_PREFIX, FileResultStore
from bot.workflow.run.events import OutputFile, OutputRef

HOSTILE = OutputRef("9", "../../evil.png", "/srv/..", "output")


def files(*contents: bytes) -> list[OutputFile]:
    return [OutputFile(OutputRef(str(number), "out.png", "", "output"), data) for number, data in enumerate(contents)]


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob(pattern))


@pytest.fixture(params=[True, False], ids=["durable", "quick"])
def results(request: pytest.FixtureRequest, tmp_path: Path) -> FileResultStore:
    return FileResultStore(tmp_path / "results", durable=request.param)


async def test_what_is_put_there_is_found_in_order_by_whoever_comes_later(
    results: FileResultStore, tmp_path: Path
) -> None:
    await results.put("job-1", files(b"one", b"", b"three"))
    again = FileResultStore(tmp_path / "results", durable=False)
    assert await again.get("job-1") == files(b"one", b"", b"three")
    assert await again.get("job-2") == []


async def test_a_second_result_replaces_the_first(results: FileResultStore) -> None:
    await results.put("job-1", files(b"one", b"two"))
    await results.put("job-1", files(b"new"))
    assert await results.get("job-1") == files(b"new")


async def test_hostile_names_are_kept_as_words_only(results: FileResultStore, tmp_path: Path) -> None:
    await results.put("job-1", [OutputFile(HOSTILE, b"x")])
    assert (await results.get("job-1"))[0].ref == HOSTILE
    assert names(tmp_path, "**/*") == ["results", "results/job-1", "results/job-1/0", f"results/job-1/{INDEX}"]


@pytest.mark.parametrize("job_id", ["..", "../x", "a/b", "", ".aside-1", "x" * 65])
async def test_what_is_no_id_is_no_place(results: FileResultStore, job_id: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        await results.put(job_id, files(b"x"))
    assert await results.get(job_id) == []


@pytest.mark.parametrize("damage", ["short", "changed", "missing", "index", "no index"])
async def test_a_damaged_result_is_none(results: FileResultStore, tmp_path: Path, damage: str) -> None:
    await results.put("job-1", files(b"one", b"two"))
    folder = tmp_path / "results" / "job-1"
    match damage:
        case "short":
            (folder / "1").write_bytes(b"t")
        case "changed":
            (folder / "1").write_bytes(b"owt")
        case "missing":
            (folder / "1").unlink()
        case "index":
            (folder / INDEX).write_text('{"a": [')
        case _:
            (folder / INDEX).unlink()
    assert await results.get("job-1") == []


async def test_what_was_not_written_to_its_end_is_not_there_and_goes_later(
    results: FileResultStore, tmp_path: Path
) -> None:
    await results.put("job-1", files(b"one"))
    (tmp_path / "results" / f"{TEMPORARY_PREFIX}0123").mkdir()
    await results.clear_leftovers(before=0)
    assert (tmp_path / "results" / f"{TEMPORARY_PREFIX}0123").exists(), "somebody may be writing it now"
    await results.clear_leftovers(before=2e12)
    assert names(tmp_path, "results/*") == ["results/job-1"]


async def test_a_full_disk_leaves_nothing_behind(
    results: FileResultStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await results.put("job-1", files(b"one"))
    broken = OutputFile(OutputRef("9", "x", "", "output"), None)  # type: ignore[arg-type]  # cannot be written
    with pytest.raises(TypeError):
        await results.put("job-1", [*files(b"two"), broken])
    assert await results.get("job-1") == files(b"one"), "the old result is untouched"
    assert names(tmp_path, "results/*") == ["results/job-1"]


async def test_old_results_are_told_apart_and_dropped(results: FileResultStore, tmp_path: Path) -> None:
    assert await results.older_than(2e12) == []
    for job_id in ("old", "new"):
        await results.put(job_id, files(b"one"))
    os.utime(tmp_path / "results" / "old", (1000, 1000))
    assert await results.older_than(2000) == ["old"]
    await results.drop("old")
    await results.drop("old")
    assert names(tmp_path, "results/*") == ["results/new"]
