"""Reads the state of the servers, their running jobs, and the waiting jobs that each cannot run."""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from bot.jobs.repository import QueueSnapshot
from bot.jobs.server_registry import ServerRegistry
from bot.jobs.status import QueueStatus
from bot.ui.pages.servers import ServerView
from bot.workflow.run.needs import MissingResource

LINE_LOOKED_AT = 200
"""Waiting jobs that are checked against the servers."""
CLASSES_LOOKED_AT = 20


class Line(Protocol):
    """The part of `bot.jobs.repository.JobRepository` that is needed here."""

    async def snapshot(self, limit: int) -> QueueSnapshot: ...


class ServerStatus:
    def __init__(self, *, fleet: ServerRegistry, store: Line, survey: Callable[[], Awaitable[QueueStatus]]) -> None:
        self._fleet = fleet
        self._store = store
        self._survey = survey

    async def read(self) -> list[ServerView]:
        """Raises `DatabaseUnavailableError`."""
        records = await self._fleet.servers()
        there = Counter(job.server for job in (await self._survey()).running)
        unfit, lacks = await self._unfit()
        return [
            ServerView(
                record, jobs=there[record.key], unfit=unfit[record.key], lacks=list(lacks.get(record.key, {}).values())
            )
            for record in records
        ]

    async def _unfit(self) -> tuple[Counter[str], Mapping[str, dict[str, MissingResource]]]:
        """Return, per server key, how many waiting jobs it cannot run and what it lacks for them."""
        snapshot = await self._store.snapshot(LINE_LOOKED_AT)
        classes = Counter(job.cls for job in snapshot.waiting if job.cls)
        unfit: Counter[str] = Counter()
        lacks: dict[str, dict[str, MissingResource]] = {}
        for cls, jobs in classes.most_common(CLASSES_LOOKED_AT):
            for key, verdict in (await self._fleet.compatibility(cls)).items():
                if not verdict.is_compatible:
                    unfit[key] += jobs
                    lacks.setdefault(key, {}).update({str(lack.message): lack for lack in verdict.missing})
        return unfit, lacks
