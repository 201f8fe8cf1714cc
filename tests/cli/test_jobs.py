"""`python -m bot jobs`: what the owner sees and does, beside a running bot."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from bot.cli.jobs import JobCommands
from bot.errors import InputError
from bot.i18n import verbatim
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.storage.jobs.repository import SqlJobRepository
from tests.clocks import ManualClock
from tests.databases import line, memory_store
from tests.jobs.doubles import place, requester, spec

SERVER, OWNER = "http://127.0.0.1:8188", "instance-a"


@pytest.fixture
async def store() -> AsyncGenerator[SqlJobRepository]:
    async with memory_store() as store:
        await store.acquire_leases([SERVER], OWNER, 30.0)
        yield store


@pytest.fixture
def commands(store: SqlJobRepository) -> JobCommands:
    return JobCommands(store=store, clock=ManualClock())


async def queued(store: SqlJobRepository, number: int = 1) -> Job:
    """Put a job into the line."""
    wanted = replace(spec(), values={"prompt": f"a fox,\nnumber {number}", "seed": 42})
    job = Job(id=f"{number:08d}-job", spec=wanted, requester=requester(7), place=place(number), created=1_700_000_000.0)
    await store.add(job)
    return job


async def running(store: SqlJobRepository) -> Job:
    await queued(store)
    job = await store.claim(SERVER, OWNER, "prompt-1", 5.0)
    assert job is not None
    return job


async def test_the_list_has_a_line_for_each_job_and_the_sum(store: SqlJobRepository, commands: JobCommands) -> None:
    for number in (1, 2, 3):
        await queued(store, number)
    *lines, total = await commands.list([], 2)
    assert [line[:8] for line in lines] == ["00000003", "00000002"]
    assert "a fox, number 3" in lines[0]
    assert "queued" in lines[0]
    assert total == "Total: 3 queued."
    assert (await commands.list([JobState.FAILED], 10))[:-1] == []


async def test_an_empty_database_is_a_sentence(commands: JobCommands) -> None:
    assert await commands.list([], 10) == ["No jobs."]


async def test_one_job_is_shown_without_its_token(store: SqlJobRepository, commands: JobCommands) -> None:
    job = await queued(store)
    text = "\n".join(await commands.show("00000001"))
    for fact in (job.id, "queued", "a fox", "42"):
        assert fact in text
    assert job.place.token not in text


async def test_a_failed_job_goes_back_into_the_line_as_new(store: SqlJobRepository, commands: JobCommands) -> None:
    job = await running(store)
    await store.transition(job, JobState.FAILED, error=verbatim("no"), delivery=Delivery.SENT)
    await commands.requeue(job.id)
    assert await line(store) == [job.id]
    again = await store.claim(SERVER, OWNER, "prompt-2", 10.0)
    assert again is not None
    assert (again.attempts, again.error, again.delivery, again.posted) == (1, None, Delivery.NONE, False)


async def test_a_running_job_is_taken_from_whoever_has_it(store: SqlJobRepository, commands: JobCommands) -> None:
    job = await running(store)
    await commands.requeue(job.id)
    with pytest.raises(StaleJobError):
        await store.transition(job, JobState.DELIVERING)


async def test_a_job_that_is_failed_will_be_told(store: SqlJobRepository, commands: JobCommands) -> None:
    job = await running(store)
    await commands.fail(job.id, "The power goes off at noon.")
    untold = await store.claim_due_delivery(OWNER, 2_000_000_000.0, 2_000_000_060.0)
    assert untold is not None
    assert (untold.id, untold.state, str(untold.error)) == (job.id, JobState.FAILED, "The power goes off at noon.")


async def test_a_job_that_waits_is_not_put_into_the_line(store: SqlJobRepository, commands: JobCommands) -> None:
    job = await queued(store)
    with pytest.raises(InputError, match="is queued"):
        await commands.requeue(job.id)


async def test_a_job_ends_only_once(store: SqlJobRepository, commands: JobCommands) -> None:
    job = await queued(store)
    await commands.fail(job.id, "")
    with pytest.raises(InputError, match="has already ended"):
        await commands.fail(job.id, "")


async def test_an_unknown_job_is_a_sentence(commands: JobCommands) -> None:
    with pytest.raises(InputError, match="No job id starts with ffff"):
        await commands.show("ffff")


async def test_a_beginning_that_fits_several_names_them(store: SqlJobRepository, commands: JobCommands) -> None:
    await queued(store, 1)
    await queued(store, 2)
    with pytest.raises(InputError, match="00000002-job"):
        await commands.show("0000000")
