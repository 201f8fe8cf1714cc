"""A handle on a job in progress: its newest version, and how to save changes."""

from dataclasses import replace
from typing import Any

from bot.jobs.job import Job
from bot.jobs.records import JobStore


class Hold:
    """Shared by everything that works on one job, so that nothing uses an outdated version."""

    def __init__(self, job: Job, *, store: JobStore) -> None:
        self.job = job
        self._store = store

    def assume(self, **changes: Any) -> None:
        """Set changes locally; they are saved later, or with the next transition."""
        self.job = replace(self.job, **changes)

    async def note(self, **changes: Any) -> None:
        """Save changes. Raises `IllegalMoveError` when another process took the job over."""
        self.job = await self._store.note(self.job, **changes)

    async def with_inputs(self) -> Job:
        """Return the job with the bytes of its input files, which are not kept in memory."""
        return await self._store.with_inputs(self.job)
