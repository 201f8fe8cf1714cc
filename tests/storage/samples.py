"""Jobs for the store's tests, and the steps that bring them somewhere."""

from dataclasses import replace
from typing import Any

from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.repository import JobRepository
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import InputFile
from bot.workflow.run.spec import RunSpec, Upload
from tests.jobs.doubles import place, requester, spec

GPU = "http://gpu1:8188"
ME = "instance-1"
YOU = "instance-2"
TTL = 30.0


def job(number: int, user_id: int = 7, **changes: Any) -> Job:
    """A job that waits; `number` makes it what it is."""
    new = Job(id=f"job{number}", spec=spec(), requester=requester(user_id), place=place(number), created=float(number))
    return replace(new, **changes)


def with_picture(data: bytes = b"a picture") -> RunSpec:
    """A run that needs a picture."""
    return spec(uploads=(Upload(InputFile("cc_1.png", data, 1, 1), (Target("3", "image"),)),))


async def in_line(store: JobRepository) -> list[str]:
    """Return the ids of what waits, oldest first."""
    return [each.id for each in reversed(await store.browse((JobState.QUEUED,), limit=1000))]


async def claimed(store: JobRepository, prompt_id: str = "prompt1", *, server: str = GPU, owner: str = ME) -> Job:
    """Take the next job for a server."""
    assert await store.acquire_leases([server], owner, TTL) == {server}
    taken = await store.claim(server, owner, prompt_id, 100.0)
    assert taken is not None
    return taken


async def running(store: JobRepository, number: int = 1, **changes: Any) -> Job:
    """Take in one job and give it to a server that was told of it."""
    await store.add(job(number, **changes))
    return await store.update(await claimed(store, f"prompt{number}"), posted=True)


async def delivering(store: JobRepository, number: int = 1) -> Job:
    """Bring one job to where its result is on the way."""
    return await store.transition(
        await running(store, number), JobState.DELIVERING, delivery=Delivery.PENDING, finished=110.0
    )


async def done(store: JobRepository, number: int = 1) -> Job:
    """Bring one job to a good end."""
    return await store.transition(await delivering(store, number), JobState.DONE, delivery=Delivery.SENT)


async def failed(store: JobRepository, number: int = 1, **changes: Any) -> Job:
    """Bring one job to a bad end."""
    return await store.transition(await running(store, number), JobState.FAILED, finished=110.0, **changes)
