"""The dispatcher: claims queued jobs for workers, and updates the queue positions shown to members.

The order is decided by the store's `claim`; jobs are added by `bot.jobs.enqueue`. Of several processes only the holder
of the lease `POSITIONS_LEASE` updates positions.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection

from bot.aio import wait_for_event
from bot.clock import Clock
from bot.jobs.cluster.bus import NotificationBus, Topic
from bot.jobs.job import Job
from bot.jobs.ports import Presenter
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.status import QueuedStatus

log = logging.getLogger(__name__)

POSITIONS_LEASE = "@line"
"""The lease key of the process that updates positions."""
REFRESH_EVERY = 1.0
"""Minimum seconds between updates of all positions."""
POSITION_UPDATE_INTERVAL = 15.0
"""Seconds between updates while the queue does not move: the estimated times still change."""
CLASSES = 10_000
"""Maximum job classes remembered as announced."""
POSITION_UPDATE_BATCH = 25
"""Updates between two yields to the event loop."""


class Dispatcher:
    """Claims jobs for workers. `owner` is this process, which holds the servers' leases."""

    def __init__(
        self,
        *,
        store: JobRepository,
        presenter: Presenter,
        queue_view: QueueView,
        run_times: RunTimeEstimates,
        bus: NotificationBus,
        clock: Clock,
        owner: str,
        tells: Callable[[], bool] = lambda: True,
        on_left: Callable[[Collection[str]], None] | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """`tells`: whether this process updates positions; `on_left` gets the jobs it stops updating."""
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._owner = owner
        self._queue_view = queue_view
        self._run_times = run_times
        self._bus = bus
        self._tells = tells
        self._on_left = on_left
        self._new_id = new_id
        self._work = asyncio.Event()
        self._moved = asyncio.Event()
        self._next_ids: dict[str, str] = {}
        self._classes: set[str] = {""}
        self._told: dict[str, QueuedStatus] = {}
        bus.subscribe(Topic.WORK, lambda _payload: self._wake())

    def expect(self, workflow: str) -> float:
        """Return the estimated GPU-seconds of a run."""
        return self._run_times.expect(workflow)

    async def outlook(self, guild_id: int | None, user_id: int, workflow: str) -> QueuedStatus:
        """Return the status that a job queued now would get."""
        outlook = await self._queue_view.expected_position(guild_id, user_id, workflow)
        return QueuedStatus(
            position=outlook.position,
            total=outlook.total,
            offline=outlook.is_offline,
            starts_in=outlook.starts_in,
            reason=outlook.reason,
        )

    def entered(self, job: Job) -> None:
        """Announce a job that was queued."""
        self._queue_view.entered(job)
        self._announce(job.spec.needs.cls)
        self.wake()

    def _announce(self, cls: str) -> None:
        """Announce a job class whose compatibility may be unchecked."""
        if cls not in self._classes:
            if len(self._classes) >= CLASSES:
                self._classes.clear()
            self._classes.add(cls)
            self._bus.send(Topic.CLASS, cls)

    def left(self, job_id: str) -> None:
        """Announce a job that left the queue other than through `claim_next`."""
        self._queue_view.left(job_id)
        self.wake()

    def wake(self) -> None:
        """Check again soon: there may be work, a server appeared or disappeared, or positions changed."""
        self._bus.send(Topic.WORK)

    def _wake(self) -> None:
        self._work.set()
        self._moved.set()

    async def claim_next(self, server: str, is_ready: Callable[[], bool], loaded: str = "") -> Job | None:
        """Return the next job for a server (its `Backend.key`), waiting for one; None once `is_ready()` is false.

        `loaded`: the models it has loaded. `wake` makes it check for work and `is_ready` at once; otherwise it polls.
        """
        while is_ready():
            self._work.clear()  # before the claim: a job that arrives during it sets the event again
            # The id is kept until it is used: after a lost answer, the retried claim returns the same job
            prompt_id = self._next_ids.setdefault(server, self._new_id())
            job = await self._store.claim(server, self._owner, prompt_id, self._clock.now(), loaded=loaded)
            if job is not None:
                del self._next_ids[server]
                self._queue_view.left(job.id)
                self.wake()  # more than one job may have arrived for the sleeping workers, and positions have changed
                return job
            await wait_for_event(self._clock, self._bus.poll_interval, self._work)
        return None

    # ------------------------------------------------------------------ positions

    async def run_position_updates(self) -> None:
        """Update positions until cancelled."""
        while True:
            await wait_for_event(self._clock, self._next_update_in, self._moved)
            self._moved.clear()
            if self._tells():
                await self._update_position()
            elif self._told:
                self._forget_gone()
            await self._clock.sleep(REFRESH_EVERY)

    @property
    def _next_update_in(self) -> float:
        """Without notifications, poll often, so that jobs that left the queue do not get an outdated position."""
        return POSITION_UPDATE_INTERVAL if self._bus.poll_interval >= REFRESH_EVERY else self._bus.poll_interval

    async def _update_position(self) -> None:
        try:
            await self.update_positions()
        except DatabaseUnavailableError:
            log.warning("positions not updated: the database does not answer")

    async def update_positions(self) -> None:
        """Update the positions of all queued jobs once."""
        survey = await self._queue_view.status()
        told: dict[str, QueuedStatus] = {}
        for number, standing in enumerate(survey.waiting, start=1):
            waiting = told[standing.job.id] = QueuedStatus(
                position=standing.position,
                total=survey.total,
                offline=survey.is_offline,
                starts_in=standing.starts_in,
                reason=standing.reason,
            )
            if self._told.get(standing.job.id) != waiting:
                self._presenter.update(standing.job, waiting)
            if number % POSITION_UPDATE_BATCH == 0:
                await asyncio.sleep(0)
        left, self._told = self._told.keys() - told.keys(), told
        if left and self._on_left:
            self._on_left(left)

    def _forget_gone(self) -> None:
        """Stop updating: another process updates the positions now."""
        told, self._told = self._told.keys(), {}
        if self._on_left:
            self._on_left(told)
