"""`JobRepository` over a database; the transaction functions are in the modules of this package."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from bot.jobs.job import Job, JobState
from bot.policy.terms import QueueTerms
from bot.storage.accounting import recount, usage
from bot.storage.engine.base import Engine
from bot.storage.jobs import claim, input_files, insert, queries, queue_snapshot, recovery, retention, transitions
from bot.storage.servers import leases
from bot.storage.sql_repository import SqlRepository, reads, timed_reads, timed_writes, writes

ONCE: Final = {"parts", "told"}
"""Fields that prevent doing something twice: they must be durable before it is done."""


class SqlJobRepository(SqlRepository):
    """Implements `JobRepository` in SQLite or PostgreSQL."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float],
        *,
        exclusive: bool = False,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(engine, clock)
        self.exclusive = exclusive
        """Whether no other bot can use this database at the same time."""
        self._on_close = on_close

    # ------------------------------------------------------------------ enqueueing

    async def add(self, job: Job, terms: QueueTerms | None = None) -> None:
        await self.engine.write(
            lambda conn, _again: insert.add(conn, job, terms, self.clock()),
            single=transitions.is_single(job, {}),
            durable=job.state is not JobState.HELD,
        )

    async def queue(self, job: Job) -> Job:
        return await self.engine.write(
            lambda conn, again: insert.queue(conn, job, self.clock(), again=again),
            single=transitions.is_single(job, {}),
            durable=True,
        )

    # ------------------------------------------------------------------ executing

    claim = timed_writes(claim.claim, single=True)

    async def transition(self, job: Job, state: JobState, **changes: Any) -> Job:
        job.with_state(state, **changes)  # refuses illegal transitions without a transaction
        return await self.engine.write(
            lambda conn, again: transitions.transition(conn, job, state, changes, self.clock(), again=again),
            single=transitions.is_single(job, changes),
        )

    async def update(self, job: Job, **changes: Any) -> Job:
        replace(job, **changes)  # refuses unknown fields without a transaction
        return await self.engine.write(
            lambda conn, _again: transitions.update(conn, job, changes),
            single=transitions.is_single(job, changes),
            durable=not ONCE.isdisjoint(changes),
        )

    take_over = writes(transitions.take_over)
    renew_token = writes(transitions.renew_token)
    cancel = writes(transitions.cancel)
    cancel_requests = reads(transitions.cancel_requests)

    # ------------------------------------------------------------------ leases and recovery

    acquire_leases = timed_writes(leases.acquire_leases)
    release_leases = writes(leases.release_leases)
    take_over_server = timed_writes(recovery.take_over_server)
    orphans = timed_writes(recovery.orphans)
    claim_due_delivery = timed_writes(recovery.claim_due_delivery, single=True)

    # ------------------------------------------------------------------ queries

    get = reads(queries.get)
    find = reads(queries.find)
    with_inputs = reads(input_files.with_bytes)
    snapshot = timed_reads(queue_snapshot.snapshot)
    past_runs = reads(usage.past_runs)
    count_waiting = reads(queries.count_waiting)
    history = reads(queries.history)
    browse = reads(queries.browse)
    count = reads(queries.count)

    # ------------------------------------------------------------------ maintenance

    prune = writes(retention.prune)
    recount = writes(recount.recount)
    record_event = writes(retention.record_event)
    has_event_since = reads(queries.has_event_since)

    async def close(self) -> None:
        await self.engine.close()
        if self._on_close is not None:
            self._on_close()
