"""What a process of the bot opens, by its role: on both engines."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app.resources import RESULTS, open_resources
from bot.errors import StartupError
from bot.jobs.delivery.result_files import FileResultStore
from bot.settings import Settings
from bot.workflow.run.events import OutputFile, OutputRef
from tests.storage.engines import Database

FILES = [OutputFile(OutputRef("9", "out.png", "", "output"), b"a result")]


def settings(url: str, folder: Path) -> Settings:
    return Settings(database_url=SecretStr(url), data_dir=folder, database_synchronous="normal")


async def test_gateway_and_workers_share_a_database_and_are_told_apart(database: Database, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(open_resources(settings(database.url, tmp_path), role))
            for role in ("gateway", "worker", "worker", "all")
        ]
    assert len({process.owner for process in processes}) == 4
    assert len({process.database_id for process in processes}) == 1
    assert [(process.exclusive, process.is_shared) for process in processes] == [(False, True)] * 4


async def test_results_are_found_under_every_role_wherever_they_were_put(database: Database, tmp_path: Path) -> None:
    on_disk = FileResultStore(tmp_path / RESULTS, durable=False)
    async with (
        open_resources(settings(database.url, tmp_path)) as alone,
        open_resources(settings(database.url, tmp_path), "worker") as worker,
        open_resources(settings(database.url, tmp_path / "elsewhere"), "worker") as far,
    ):
        await alone.results.put("job1", FILES)
        await worker.results.put("job2", FILES)
        assert await on_disk.older_than(2e10) == ["job1"]
        for results in (alone.results, worker.results):
            assert [await results.get("job1"), await results.get("job2")] == [FILES, FILES]
        assert [await far.results.get("job1"), await far.results.get("job2")] == [[], FILES]


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_a_file_is_for_one_process_that_does_everything(tmp_path: Path, role: str) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    with pytest.raises(StartupError, match=f"role {role} .*PostgreSQL.*DATABASE_URL"):
        async with open_resources(settings(url, tmp_path), role):
            pass
    assert not (tmp_path / "jobs.db").exists()
    async with open_resources(settings(url, tmp_path)) as resources:
        assert (resources.exclusive, resources.is_shared) == (True, False)
        first = resources.database_id
    async with open_resources(settings(url, tmp_path)) as resources:
        assert resources.database_id == first
