"""A shelf with another one behind it, where results were put under another role or on another machine.

Knows neither files nor databases, only that what is not on the first shelf may be on the second.
"""

from collections.abc import Sequence
from typing import Protocol

from bot.jobs.records import Shelf
from bot.workflow.execution import OutputFile


class TidyShelf(Shelf, Protocol):
    """A shelf that `bot.jobs.janitor` can tidy up."""

    async def older_than(self, time: float) -> Sequence[str]:
        """Return the ids of jobs whose files were put here before `time`, in seconds since the epoch."""
        ...

    async def clear_remains(self, before: float) -> None:
        """Remove what a crash left half-written or half-removed before a time."""
        ...


class TwoShelves:
    """Puts results on the first shelf, and finds those on the second too. See `TidyShelf`."""

    def __init__(self, first: TidyShelf, second: TidyShelf) -> None:
        self._first = first
        self._second = second

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        """See `Shelf.put`. An earlier result on the second shelf is hidden by it, and goes with it."""
        await self._first.put(job_id, files)

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        """See `Shelf.get`."""
        return await self._first.get(job_id) or await self._second.get(job_id)

    async def drop(self, job_id: str) -> None:
        """See `Shelf.drop`."""
        await self._first.drop(job_id)
        await self._second.drop(job_id)

    async def older_than(self, time: float) -> Sequence[str]:
        """See `TidyShelf.older_than`."""
        return sorted({*await self._first.older_than(time), *await self._second.older_than(time)})

    async def clear_remains(self, before: float) -> None:
        """See `TidyShelf.clear_remains`."""
        await self._first.clear_remains(before)
        await self._second.clear_remains(before)
