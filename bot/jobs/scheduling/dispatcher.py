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
from bot.jobs.status import QueuedStatus

log = logging.getLogger(__name__)

POSITIONS_LEASE = "@line"
"""The lease key of the process that updates positions."""
MIN_UPDATE_INTERVAL = 1.0
"""Minimum seconds between updates of all positions."""
POSITION_UPDATE_INTERVAL = 15.0
"""Seconds between updates while the queue does not move: the estimated times still change."""
MAX_CLASSES = 10_000
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
        bus: NotificationBus,
        clock: Clock,
        owner: str,
        updates_positions: Callable[[], bool] = lambda: True,
        on_left: Callable[[Collection[str]], None] | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        """`updates_positions`: whether this process updates positions; `on_left` gets the jobs it stops updating."""
        self._store = store
        self._presenter = presenter
        self._clock = clock
        self._owner = owner
        self._queue_view = queue_view
        self._bus = bus
        self._updates_positions = updates_positions
        self._on_left = on_left
        self._new_id = new_id
        self._work = asyncio.Event()
        self._moved = asyncio.Event()
        self._next_ids: dict[str, str] = {}
        self._announced_classes: set[str] = {""}
        self._shown: dict[str, QueuedStatus] = {}
        bus.subscribe(Topic.WORK, lambda _payload: self._wake())

    def entered(self, job: Job) -> None:
        """Announce a job that was queued, and its class, whose compatibility may be unchecked."""
        self._queue_view.entered(job)
        cls = job.spec.needs.cls
        if cls not in self._announced_classes:
            if len(self._announced_classes) >= MAX_CLASSES:
                self._announced_classes.clear()
            self._announced_classes.add(cls)
            self._bus.send(Topic.CLASS, cls)
        self.wake()

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
            if self._updates_positions():
                try:
                    await self.update_positions()
                except DatabaseUnavailableError:
                    log.warning("positions not updated: the database does not answer")
            elif self._shown:
                self._forget_gone()
            await self._clock.sleep(MIN_UPDATE_INTERVAL)

    @property
    def _next_update_in(self) -> float:
        """Without notifications, poll often, so that jobs that left the queue do not get an outdated position."""
        return POSITION_UPDATE_INTERVAL if self._bus.poll_interval >= MIN_UPDATE_INTERVAL else self._bus.poll_interval

    async def update_positions(self) -> None:
        """Update the positions of all queued jobs once."""
        queue = await self._queue_view.status()
        shown: dict[str, QueuedStatus] = {}
        for number, entry in enumerate(queue.waiting, start=1):
            status = shown[entry.job.id] = QueuedStatus(
                position=entry.position,
                total=queue.total,
                offline=queue.is_offline,
                starts_in=entry.starts_in,
                reason=entry.reason,
            )
            if self._shown.get(entry.job.id) != status:
                self._presenter.update(entry.job, status)
            if number % POSITION_UPDATE_BATCH == 0:
                await asyncio.sleep(0)
        left, self._shown = self._shown.keys() - shown.keys(), shown
        if left and self._on_left:
            self._on_left(left)

    def _forget_gone(self) -> None:
        """Stop updating: another process updates the positions now."""
        left, self._shown = self._shown.keys(), {}
        if self._on_left:
            self._on_left(left)
