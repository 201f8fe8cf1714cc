"""Retry policy: requeues jobs that a server could not finish, up to a limit.

A requeued job keeps its place in the queue. One that keeps crashing servers fails with that reason. One whose files are
gone is rerun with another filename prefix.
"""

import copy
import logging
from dataclasses import replace

from bot.aio import backoff
from bot.clock import Clock
from bot.i18n import Message, _, n_
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.job import Job, JobState
from bot.jobs.repository import JobRepository
from bot.workflow.run.spec import RunSpec

log = logging.getLogger(__name__)

MAX_LOSSES = 5
"""Server crashes during a job before the job is considered the cause."""
MAX_ATTEMPTS = 25
"""Maximum claims of a job, including tries that never reached a server and losses while it was only pending there."""
CRASH_PAUSES = (0.0, 2.0, 5.0, 10.0)
"""Seconds before a job that crashed a server can be claimed again, by number of crashes."""
REQUEUE_PAUSES = (1.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds that a server slot stays empty after a failed submission, by the job's attempts."""
PREFIX_INPUT = "filename_prefix"


class RequeuePolicy:
    """Moves RUNNING jobs back to QUEUED, or fails them."""

    def __init__(self, *, store: JobRepository, delivery_service: DeliveryService, clock: Clock) -> None:
        self._store = store
        self._delivery_service = delivery_service
        self._clock = clock

    async def requeue(self, job: Job, *, crashed: bool = False) -> None:
        """Requeue a job in its old place, or fail it after too many attempts.

        `crashed`: the server crashed while running it. Raises `StaleJobError` when the job was taken over.
        """
        losses = job.losses + crashed
        if losses > MAX_LOSSES:
            await self._delivery_service.fail(job, _crash_text(losses))
        elif job.attempts >= MAX_ATTEMPTS:
            await self._delivery_service.fail(
                job, _("The GPU server kept failing on this request. Please try again later.")
            )
        else:
            log.warning("job %s is queued again (crashes while running: %d)", job.id, losses)
            pause = backoff(CRASH_PAUSES, losses) if crashed else 0.0
            await self._store.transition(job, JobState.QUEUED, losses=losses, not_before=self._clock.now() + pause)

    async def requeue_later(self, job: Job) -> None:
        """Requeue it after a delay, so that a server that refuses everything does not claim the whole queue."""
        await self._clock.sleep(backoff(REQUEUE_PAUSES, job.attempts))
        await self.requeue(job)


def _crash_text(losses: int) -> Message:
    return n_(
        "The GPU server crashed while working on this.",
        "The GPU server crashed {count} times while working on this. It may be too much for it: try a smaller size or"
        " fewer images.",
        losses,
    )


def with_new_filename_prefix(spec: RunSpec, mark: str) -> RunSpec | None:
    """Return the run with `mark` appended to its filename prefixes; None if already done, or if it has no prefix."""
    graph = copy.deepcopy(spec.graph)
    savers = [node["inputs"] for node in graph.values() if isinstance(node["inputs"].get(PREFIX_INPUT), str)]
    if not savers or any(inputs[PREFIX_INPUT].endswith(mark) for inputs in savers):
        return None
    for inputs in savers:
        inputs[PREFIX_INPUT] += mark
    return replace(spec, graph=graph)
