"""A result store with a fallback, for results stored under another process role or on another machine."""

from collections.abc import Sequence
from typing import Protocol

from bot.jobs.records import Shelf
from bot.workflow.execution import OutputFile


class TidyShelf(Shelf, Protocol):
    """A result store that supports cleanup by `bot.jobs.janitor`."""

    async def older_than(self, time: float) -> Sequence[str]:
        """Return the ids of jobs whose files were stored before `time`, in seconds since the epoch."""
        ...

    async def clear_remains(self, before: float) -> None:
        """Remove what a crash left half-written or half-removed before a time."""
        ...


class TwoShelves:
    """Writes to the first store, and reads and deletes in both."""

    def __init__(self, first: TidyShelf, second: TidyShelf) -> None:
        self._first = first
        self._second = second

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        """Any earlier result in the second store is hidden by the new one and deleted with it."""
        await self._first.put(job_id, files)

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        return await self._first.get(job_id) or await self._second.get(job_id)

    async def drop(self, job_id: str) -> None:
        await self._first.drop(job_id)
        await self._second.drop(job_id)

    async def older_than(self, time: float) -> Sequence[str]:
        return sorted({*await self._first.older_than(time), *await self._second.older_than(time)})

    async def clear_remains(self, before: float) -> None:
        await self._first.clear_remains(before)
        await self._second.clear_remains(before)
