"""A job in somebody's hands: its newest version, and the way to write down what changed."""

from dataclasses import replace
from typing import Any

from bot.jobs.job import Job
from bot.jobs.records import JobStore


class Hold:
    """Shared by those who work on one job together, so that nobody goes on with an old version."""

    def __init__(self, job: Job, *, store: JobStore) -> None:
        self.job = job
        self._store = store

    def assume(self, **changes: Any) -> None:
        """Know changes that are written down later, or with the next move."""
        self.job = replace(self.job, **changes)

    async def note(self, **changes: Any) -> None:
        """Write down changes. Raises `IllegalMoveError` when somebody else took the job over."""
        self.job = await self._store.note(self.job, **changes)

    async def with_inputs(self) -> Job:
        """Return the job with the bytes of its input pictures, which are not kept."""
        return await self._store.with_inputs(self.job)
