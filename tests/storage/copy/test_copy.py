"""`python -m bot copy`: everything comes along, in every direction."""

import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs.delivery.result_files import FileResultStore
from bot.jobs.repository import DuplicateJobError
from bot.storage import copy
from bot.storage.database import Database
from tests.storage.copy.sample_database import (
    RESULT,
    copied,
    dump,
    fill,
    opened,
)
from tests.storage.samples import (
    GPU,
    TTL,
    done,
    job,
)


async def claims(database: Database, count: int) -> list[str]:
    """Return which jobs a server gets, one after the other."""
    await database.jobs.acquire_leases([GPU], "somebody", TTL)
    got = [await database.jobs.claim(GPU, "somebody", f"next{turn}", 1e9) for turn in range(count)]
    return [each.id for each in got if each]


async def test_everything_comes_along_and_goes_on(both: tuple[str, str], tmp_path: Path) -> None:
    source, target = both
    async with AsyncExitStack() as stack:
        old = await opened(source, stack)
        await fill(old)
        resources, before = await old.fleet.database_id(), await dump(old)
    report, _said = await copied(source, target, tmp_path)
    assert "job " in report
    assert "DATABASE_URL" in report
    async with AsyncExitStack() as stack:
        new, old = await opened(target, stack), await opened(source, stack)
        assert await dump(new) == before
        assert await dump(old) == before
        assert [name for name, rows in before.items() if not rows] == [], "all tables are tried"
        assert await new.fleet.database_id() == resources
        assert await new.results.get("job1") == RESULT
        assert (await new.jobs.with_inputs((await new.jobs.get("job10")) or job(0))).spec.uploads[
            0
        ].file.data == b"\n" * 10
        assert await new.jobs.recount() == []
        order = await claims(old, 20)
        assert len(order) == 15
        assert await claims(new, 20) == order
        with pytest.raises(DuplicateJobError):
            await new.jobs.add(replace(job(1), id="other"))
        await new.jobs.add(job(100, 50))
        assert [each.id for each in await new.jobs.browse([], limit=1)] == ["job100"]
        await new.jobs.record_event("again", now=4.0)
        assert [each.id for each in await new.jobs.take_over_server(GPU, "somebody")][:2] == ["job3", "job5"]


async def test_large_files_go_by_the_few_and_rows_by_the_many(
    both: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = both
    monkeypatch.setattr(copy, "MAX_ROWS", 4)
    monkeypatch.setattr(copy, "MAX_BYTES", 100)
    monkeypatch.setattr(copy, "PROGRESS_INTERVAL", 0.0)
    async with AsyncExitStack() as stack:
        old = await opened(source, stack)
        await fill(old)
        before = await dump(old)
    _report, said = await copied(source, target, tmp_path)
    assert "job: 4 rows" in said
    counts = [word.split()[1] for word in said if word.startswith("input_file")]
    assert counts == ["4", "8", "12", "15", "16", "17"], "the sixteenth is larger than all others together"
    async with AsyncExitStack() as stack:
        assert await dump(await opened(target, stack)) == before


# ------------------------------------------------------------------ results in a folder


@pytest.mark.parametrize("with_results", [True, False])
async def test_results_in_the_folder_come_along_to_several_machines(
    tmp_path: Path, new_postgres: str, with_results: bool
) -> None:
    source, folder = f"sqlite:///{tmp_path / 'old.db'}", FileResultStore(tmp_path / "results", durable=False)
    async with AsyncExitStack() as stack:
        await done((await opened(source, stack)).jobs, 1)
    for job_id in ("job1", "nobody"):
        await folder.put(job_id, RESULT)
    await copied(source, new_postgres, tmp_path, with_results=with_results)
    async with AsyncExitStack() as stack:
        new = await opened(new_postgres, stack)
        assert await new.results.get("job1") == (RESULT if with_results else [])
        assert await new.results.get("nobody") == []


async def test_results_stay_in_the_folder_for_one_machine(tmp_path: Path) -> None:
    source, target = f"sqlite:///{tmp_path / 'old.db'}", f"sqlite:///{tmp_path / 'new.db'}"
    async with AsyncExitStack() as stack:
        await done((await opened(source, stack)).jobs, 1)
    await FileResultStore(tmp_path / "results", durable=False).put("job1", RESULT)
    await copied(source, target, tmp_path)
    async with AsyncExitStack() as stack:
        assert await (await opened(target, stack)).results.get("job1") == []


# ------------------------------------------------------------------ the command line


TWICE = """
import sys
from bot.__main__ import main
for turn in range(2):
    print(main(["copy", "--to", sys.argv[1]]), flush=True)
"""


async def test_the_command_says_what_it_copied_or_why_not(tmp_path: Path) -> None:
    source, target = f"sqlite:///{tmp_path / 'old.db'}", f"sqlite:///{tmp_path / 'new.db'}"
    async with AsyncExitStack() as stack:
        store = (await opened(source, stack)).jobs
        for number in (1, 2, 3):
            await store.add(job(number))
    where = {"PYTHONPATH": str(Path.cwd()), "DATABASE_URL": source}
    ran = subprocess.run(  # noqa: ASYNC221  # nothing else goes on
        [sys.executable, "-c", TWICE, target], cwd=tmp_path, env=where, capture_output=True, text=True, check=True
    )
    *report, ended, again = ran.stdout.splitlines()
    assert ["job", "3"] in [line.split() for line in report]
    assert (ended, again) == ("0", "1")
    assert ran.stderr.count("\n") == 1
    assert "not empty" in ran.stderr
