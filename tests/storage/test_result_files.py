"""Results in the database: whole or not at all, in pieces, and forgotten with their jobs. On both engines."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.jobs.delivery.result_files import FallbackResultStore, FileResultStore
from bot.jobs.job import Delivery, JobState
from bot.jobs.repository import DatabaseUnavailableError
from bot.storage import result_files
from bot.storage.jobs.repository import SqlJobRepository
from bot.storage.result_files import SqlResultStore
from bot.workflow.run.events import OutputFile, OutputRef
from tests.databases import results_of
from tests.storage.engines import Database, execute
from tests.storage.samples import done, job, running

HOSTILE = OutputRef(node_id="9:4", filename="../..\0/e\ud800vil.png", subfolder="C:\\", folder="output")


def files(*contents: bytes) -> list[OutputFile]:
    return [OutputFile(OutputRef("9", f"out_{at}.png", "", "output"), data) for at, data in enumerate(contents)]


@pytest.fixture
def result_store(store: SqlJobRepository) -> SqlResultStore:
    return results_of(store)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_files, "PIECE_BYTES", 4)


async def rows(store: SqlJobRepository) -> int:
    return (await execute(store, "SELECT count(*) AS n FROM result_file"))[0]["n"]


# ------------------------------------------------------------------ putting and getting


async def test_what_is_put_there_is_found_in_order(result_store: SqlResultStore) -> None:
    await result_store.put("job1", files(b"one", b"", b"three"))
    assert await result_store.get("job1") == files(b"one", b"", b"three")
    assert await result_store.get("job2") == []


async def test_hostile_names_are_kept_as_words_only(result_store: SqlResultStore) -> None:
    await result_store.put("job1", [OutputFile(HOSTILE, b"x")])
    assert (await result_store.get("job1"))[0].ref == HOSTILE


@pytest.mark.usefixtures("small_pieces")
async def test_large_files_are_put_together_from_their_pieces(
    store: SqlJobRepository, result_store: SqlResultStore
) -> None:
    contents = (b"0123456789", b"ab", b"cd", b"", b"1234", b"12345")
    await result_store.put("job1", files(*contents))
    assert await result_store.get("job1") == files(*contents)
    assert await rows(store) == 9


@pytest.mark.usefixtures("small_pieces")
async def test_a_second_result_replaces_the_first(store: SqlJobRepository, result_store: SqlResultStore) -> None:
    await result_store.put("job1", files(b"0123456789", b"two"))
    await result_store.put("job1", files(b"new"))
    assert await result_store.get("job1") == files(b"new")
    assert await rows(store) == 1
    await result_store.put("job1", [])
    assert await result_store.get("job1") == []


@pytest.mark.usefixtures("small_pieces")
async def test_a_result_that_broke_off_leaves_the_one_before(
    store: SqlJobRepository, result_store: SqlResultStore
) -> None:
    await result_store.put("job1", files(b"0123456789"))
    write, left = result_store._write, 2

    async def breaks(job_id: str, rows: Sequence[result_files._Row]) -> None:
        nonlocal left
        if not left:
            raise DatabaseUnavailableError
        left -= 1
        await write(job_id, rows)

    result_store._write = breaks
    with pytest.raises(OSError, match="is unavailable"):
        await result_store.put("job1", files(b"abcdefghijklm"))
    assert await result_store.get("job1") == files(b"0123456789")
    left = 99
    await result_store.put("job1", files(b"abcdefghijklm"))
    assert await result_store.get("job1") == files(b"abcdefghijklm")
    assert await rows(store) == 4


@pytest.mark.usefixtures("small_pieces")
async def test_whoever_reads_while_it_is_replaced_never_gets_a_mixture(database: Database) -> None:
    ours, theirs = results_of(database.stores[0]), results_of(await database.open())
    results = [files(bytes([65 + turn]) * 13, b"end") for turn in range(12)]
    await ours.put("job1", results[0])
    writing = asyncio.create_task(_put_all(ours, results))
    while not writing.done():
        assert await theirs.get("job1") in (*results, [])
    await writing
    assert await theirs.get("job1") == results[-1]


async def _put_all(result_store: SqlResultStore, results: Sequence[list[OutputFile]]) -> None:
    for result in results:
        await result_store.put("job1", result)


async def test_a_damaged_row_is_no_result(store: SqlJobRepository, result_store: SqlResultStore) -> None:
    await result_store.put("job1", files(b"one", b"two"))
    await execute(store, "UPDATE result_file SET ref = '[1]' WHERE number = 0")
    assert await result_store.get("job1") == []


async def test_a_large_result_comes_through(result_store: SqlResultStore) -> None:
    large = bytes(range(256)) * 4096 * 25  # 25 MB
    await result_store.put("job1", files(large, b"small"))
    assert await result_store.get("job1") == files(large, b"small")


# ------------------------------------------------------------------ forgetting


async def test_results_are_dropped_one_job_at_a_time(result_store: SqlResultStore) -> None:
    for job_id in ("job1", "job2"):
        await result_store.put(job_id, files(b"x"))
    await result_store.drop("job1")
    assert (await result_store.get("job1"), await result_store.get("job2")) == ([], files(b"x"))


async def test_old_results_are_those_whose_jobs_have_ended_or_are_forgotten(
    store: SqlJobRepository, result_store: SqlResultStore
) -> None:
    ended = await done(store, 1)
    await running(store, 2)
    for job_id in ("job1", "job2", "nobody"):
        await result_store.put(job_id, files(b"x", b"y"))
    assert sorted(await result_store.older_than(ended.finished + 1.0)) == ["job1", "nobody"]
    assert await result_store.older_than(ended.finished) == ["nobody"]


async def test_forgotten_jobs_take_their_results_along(store: SqlJobRepository, result_store: SqlResultStore) -> None:
    await store.add(job(1))
    await store.transition(job(1), JobState.FAILED, delivery=Delivery.SENT, finished=5.0)
    await result_store.put("job1", files(b"x"))
    assert await store.prune(6.0, limit=10) == ["job1"]
    assert await rows(store) == 0


# ------------------------------------------------------------------ beside a folder


async def test_what_was_put_elsewhere_before_is_found_and_dropped(result_store: SqlResultStore, tmp_path: Path) -> None:
    disk = FileResultStore(tmp_path / "results", durable=False)
    await disk.put("job1", files(b"old"))
    await disk.put("job2", files(b"old"))
    both = FallbackResultStore(result_store, disk)
    assert await both.get("job1") == files(b"old")
    await both.put("job1", files(b"new"))
    assert await both.get("job1") == files(b"new")
    assert sorted(await both.older_than(2e10)) == ["job1", "job2"]
    for job_id in ("job1", "job2"):
        await both.drop(job_id)
        assert await both.get(job_id) == []
    assert (await disk.get("job1"), await result_store.get("job1")) == ([], [])
