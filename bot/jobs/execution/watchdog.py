"""The watchdog: stops a run that reports no progress for longer than its workflow allows.

Silence only counts while the server is online and confirms that it is running the prompt. If its events cannot reach
us, silence is normal, and the limit is much longer.
"""

import logging

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.jobs.job import Job
from bot.jobs.ports import Backend
from bot.workflow.run.events import PromptLocation, RunEvent, RunStarted

log = logging.getLogger(__name__)

IDLE_POLL_INTERVAL = 5.0
"""Maximum seconds between checks."""
NO_EVENTS_FACTOR = 6
"""Factor by which the limit is longer while events cannot arrive."""
STOP_TIMEOUT = 20.0
"""Seconds for an interrupt to take effect: ComfyUI checks for it between steps."""


class IdleWatchdog:
    """Watches one prompt for missing progress."""

    def __init__(self, job: Job, *, backend: Backend, clock: Clock) -> None:
        self._job = job
        self._backend = backend
        self._clock = clock
        self._heard = clock.monotonic()
        self.is_running = False
        """Whether the server is known to be running it."""
        self.verdict: Message | None = None
        """Why the run was stopped; None before that."""

    def on_event(self, event: RunEvent) -> None:
        """Reset the timer."""
        self._heard = self._clock.monotonic()
        if isinstance(event, RunStarted):
            self.is_running = True

    async def run(self) -> None:
        """Stop the run once it hangs; return if it does not stop. The owner cancels this."""
        limit = self._job.spec.idle_limit
        pause = min(IDLE_POLL_INTERVAL, limit / 4)
        while not await self._hangs(limit):
            await self._clock.sleep(pause)
        log.warning("job %s: no progress for %d s; stopping it", self._job.id, limit)
        self.verdict = _reason(limit)
        try:
            await self._backend.interrupt(self._job.prompt_id)
        except BotError as error:
            log.warning("job %s cannot be stopped: %s", self._job.id, error)
        await self._clock.sleep(STOP_TIMEOUT)

    async def _hangs(self, limit: float) -> bool:
        now = self._clock.monotonic()
        if not self._backend.online or not self.is_running:
            self._heard = now
            return False
        patience = limit if self._backend.receives_events_for(self._job.prompt_id) else limit * NO_EVENTS_FACTOR
        if now - self._heard < patience:
            return False
        try:
            return await self._backend.locate(self._job.prompt_id) is PromptLocation.RUNNING
        except BotError:
            return False


def _reason(limit: float) -> Message:
    if limit < 120:
        span = n_("{count} second", "{count} seconds", round(limit))
    else:
        span = n_("{count} minute", "{count} minutes", round(limit / 60))
    return _(
        "No progress for {span}, so the run was stopped. Please try again; if it happens again, use a smaller size or"
        " fewer steps.",
        span=span,
    )
