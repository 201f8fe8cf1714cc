"""Gives jobs back to the line when a server could not, or did not, bring them to an end; within bounds.

A job keeps its place: it goes back to where it stood. One that servers break down on again and again is taken for the
reason, and told so.
"""

import logging

from bot.clock import Clock
from bot.i18n import Message, _, n_
from bot.jobs.deliverer import Deliverer
from bot.jobs.job import Job, JobState
from bot.jobs.records import JobStore

log = logging.getLogger(__name__)

MAX_LOSSES = 5
"""How often a server may break down while it works on a job before the job is taken for the reason."""
MAX_ATTEMPTS = 25
"""How often a job is claimed at all, counting tries that never reached a server and losses while it only waited."""
LOSS_PAUSES = (0.0, 2.0, 5.0, 10.0)
"""Seconds in which nobody takes a job that a server broke down on, by how often that happened."""
GIVE_BACK_PAUSES = (1.0, 1.0, 2.0, 5.0, 10.0)
"""Seconds that a place on the server stays empty after a job could not be handed in, by the job's attempts."""


class GivingBack:
    """Moves jobs from RUNNING back to QUEUED, or to their end."""

    def __init__(self, *, store: JobStore, deliverer: Deliverer, clock: Clock) -> None:
        self._store = store
        self._deliverer = deliverer
        self._clock = clock

    async def give_back(self, job: Job, *, crashed: bool = False) -> None:
        """Let the job wait for another turn, in its old place, unless it had enough of them.

        `crashed`: the server broke down while it worked on it. Raises `IllegalMoveError` when it is not ours.
        """
        losses = job.losses + crashed
        if losses > MAX_LOSSES:
            await self._deliverer.fail(job, _too_much(losses))
        elif job.attempts >= MAX_ATTEMPTS:
            await self._deliverer.fail(
                job, _("ComfyUI could not be reached for this job, or lost it each time. Please try again later.")
            )
        else:
            log.warning("job %s goes back to the queue (lost %d times while it ran)", job.id, losses)
            pause = _pause(LOSS_PAUSES, losses) if crashed else 0.0
            await self._store.move(job, JobState.QUEUED, losses=losses, not_before=self._clock.now() + pause)

    async def after_a_pause(self, job: Job) -> None:
        """Give it back after a while, so that a server which takes nothing is not offered the whole line."""
        await self._clock.sleep(_pause(GIVE_BACK_PAUSES, job.attempts))
        await self.give_back(job)


def _pause(pauses: tuple[float, ...], count: int) -> float:
    return pauses[min(max(count, 1), len(pauses)) - 1]


def _too_much(losses: int) -> Message:
    return n_(
        "ComfyUI broke down while it worked on this.",
        "ComfyUI broke down {count} times while it worked on this. It may be too much for it:"
        " try a smaller size or fewer pictures.",
        losses,
    )
