"""`JobRepository` over a database: each method passes one transaction function to the engine."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from bot.jobs.job import Job, JobState
from bot.jobs.repository import Drift, PastRun, QueueSnapshot
from bot.policy.terms import QueueTerms
from bot.storage.accounting import recount, usage
from bot.storage.engine.base import Engine
from bot.storage.jobs import (
    claim,
    input_files,
    insert,
    queries,
    queue_snapshot,
    recovery,
    retention,
    transitions,
)
from bot.storage.servers import leases

ONCE = {"parts", "told"}
"""Fields that prevent doing something twice: they must be durable before it is done."""


class SqlJobRepository:
    """Implements `JobRepository` in SQLite or PostgreSQL."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        *,
        alone: bool = False,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        self.alone = alone
        """Whether no other bot can use this database at the same time."""
        self._engine = engine
        self._clock = clock
        self._on_close = on_close

    # ------------------------------------------------------------------ enqueueing

    async def add(self, job: Job, terms: QueueTerms | None = None) -> None:
        await self._engine.write(
            lambda conn, _again: insert.add(conn, job, terms, self._clock()),
            single=transitions.is_single(job, {}),
            durable=job.state is not JobState.HELD,
        )

    async def queue(self, job: Job) -> Job:
        return await self._engine.write(
            lambda conn, again: insert.queue(conn, job, self._clock(), again=again),
            single=transitions.is_single(job, {}),
            durable=True,
        )

    # ------------------------------------------------------------------ running

    async def claim(self, server: str, owner: str, prompt_id: str, now: float, *, loaded: str = "") -> Job | None:
        return await self._engine.write(
            lambda conn, _again: claim.claim(conn, server, owner, prompt_id, now, self._clock(), loaded), single=True
        )

    async def transition(self, job: Job, state: JobState, **fields: Any) -> Job:
        job.with_state(state, **fields)  # refuses illegal transitions without a transaction
        return await self._engine.write(
            lambda conn, again: transitions.transition(conn, job, state, fields, self._clock(), again=again),
            single=transitions.is_single(job, fields),
        )

    async def update(self, job: Job, **fields: Any) -> Job:
        replace(job, **fields)
        return await self._engine.write(
            lambda conn, _again: transitions.update(conn, job, fields),
            single=transitions.is_single(job, fields),
            durable=not ONCE.isdisjoint(fields),
        )

    async def take_over(self, job_id: str) -> Job | None:
        return await self._engine.write(lambda conn, _again: transitions.take_over(conn, job_id))

    async def renew_token(self, job_id: str, token: str, expires: float) -> Job | None:
        return await self._engine.write(lambda conn, _again: transitions.renew_token(conn, job_id, token, expires))

    async def cancel(self, job_id: str, by: int, now: float) -> Job | None:
        return await self._engine.write(lambda conn, _again: transitions.cancel(conn, job_id, by, now))

    async def cancel_requests(self, server: str) -> Sequence[tuple[str, int]]:
        return await self._engine.read(lambda conn: transitions.cancel_requests(conn, server))

    # ------------------------------------------------------------------ leases and recovery

    async def hold_leases(self, servers: Collection[str], owner: str, ttl: float) -> frozenset[str]:
        return await self._engine.write(
            lambda conn, _again: leases.hold_leases(conn, servers, owner, ttl, self._clock())
        )

    async def release_leases(self, owner: str, servers: Collection[str] | None = None) -> None:
        await self._engine.write(lambda conn, _again: leases.release_leases(conn, owner, servers))

    async def take_over_server(self, server: str, owner: str) -> Sequence[Job]:
        return await self._engine.write(
            lambda conn, _again: recovery.take_over_server(conn, server, owner, self._clock())
        )

    async def orphans(self, owner: str, servers: Collection[str], now: float, *, alone: bool) -> Sequence[Job]:
        return await self._engine.write(
            lambda conn, _again: recovery.orphans(conn, owner, servers, now, self._clock(), alone=alone)
        )

    async def claim_due_delivery(self, owner: str, now: float, until: float) -> Job | None:
        return await self._engine.write(
            lambda conn, _again: recovery.claim_due_delivery(conn, owner, now, until, self._clock()), single=True
        )

    # ------------------------------------------------------------------ reading

    async def get(self, job_id: str) -> Job | None:
        return await self._engine.read(lambda conn: queries.get(conn, job_id))

    async def find(self, prefix: str) -> Sequence[Job]:
        return await self._engine.read(lambda conn: queries.find(conn, prefix))

    async def with_inputs(self, job: Job) -> Job:
        return await self._engine.read(lambda conn: input_files.with_bytes(conn, job))

    async def snapshot(self, limit: int) -> QueueSnapshot:
        return await self._engine.read(lambda conn: queue_snapshot.snapshot(conn, limit, self._clock()))

    async def line_length(self) -> int:
        return await self._engine.read(queue_snapshot.line_length)

    async def past_runs(self, limit: int) -> Sequence[PastRun]:
        return await self._engine.read(lambda conn: usage.past_runs(conn, limit))

    async def count_waiting(self, user_id: int) -> int:
        return await self._engine.read(lambda conn: queries.count_waiting(conn, user_id))

    async def history(self, user_id: int, *, limit: int, offset: int = 0) -> Sequence[Job]:
        return await self._engine.read(lambda conn: queries.history(conn, user_id, limit, offset))

    async def browse(self, states: Collection[JobState], *, limit: int) -> Sequence[Job]:
        return await self._engine.read(lambda conn: queries.browse(conn, states, limit))

    async def count(self) -> dict[JobState, int]:
        return await self._engine.read(queries.count)

    # ------------------------------------------------------------------ maintenance

    async def prune(self, before: float, *, limit: int) -> Sequence[str]:
        return await self._engine.write(lambda conn, _again: retention.prune(conn, before, limit))

    async def recount(self) -> Sequence[Drift]:
        return await self._engine.write(lambda conn, _again: recount.recount(conn))

    async def record_event(self, what: str, *, job_id: str = "", actor: str = "", now: float) -> None:
        await self._engine.write(lambda conn, _again: retention.record_event(conn, what, job_id, actor, now))

    async def has_event_since(self, what: str, since: float) -> bool:
        return await self._engine.read(lambda conn: queries.has_event_since(conn, what, since))

    async def close(self) -> None:
        await self._engine.close()
        if self._on_close is not None:
            self._on_close()
