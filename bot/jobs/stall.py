"""Stops a run of which nothing is heard for longer than its workflow allows.

Silence counts only while the server works on the prompt, is there, and says so when asked; where its frames cannot
reach us, silence is what to expect, and much more of it is allowed.
"""

import logging

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.jobs.job import Job
from bot.jobs.ports import Backend
from bot.workflow.execution import RunEvent, RunStarted, Whereabouts

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0
"""Seconds between two looks at the clock, at most."""
DEAF_FACTOR = 6
"""How much longer a run may be silent whose frames do not reach us."""
STOP_PATIENCE = 20.0
"""Seconds for an interrupt to take effect: it waits for the next step."""


class StallGuard:
    """Watches over the silence of one prompt."""

    def __init__(self, job: Job, *, backend: Backend, clock: Clock) -> None:
        self._job = job
        self._backend = backend
        self._clock = clock
        self._heard = clock.monotonic()
        self.is_running = False
        """Whether the server is known to work on it."""
        self.verdict: Message | None = None
        """Why the run was stopped, once it was."""

    def hear(self, event: RunEvent) -> None:
        """Take in that something was heard."""
        self._heard = self._clock.monotonic()
        if isinstance(event, RunStarted):
            self.is_running = True

    async def run(self) -> None:
        """Wait until the run hangs, and stop it; return when that had no effect. The owner cancels this."""
        limit = self._job.spec.idle_limit
        pause = min(LOOK_EVERY, limit / 4)
        while not await self._hangs(limit):
            await self._clock.sleep(pause)
        log.warning("job %s: nothing was heard of it for %d s; it is stopped", self._job.id, limit)
        self.verdict = _verdict(limit)
        try:
            await self._backend.interrupt(self._job.prompt_id)
        except BotError as error:
            log.warning("job %s could not be stopped: %s", self._job.id, error)
        await self._clock.sleep(STOP_PATIENCE)

    async def _hangs(self, limit: float) -> bool:
        now = self._clock.monotonic()
        if not self._backend.online or not self.is_running:
            self._heard = now
            return False
        patience = limit if self._backend.hears(self._job.prompt_id) else limit * DEAF_FACTOR
        if now - self._heard < patience:
            return False
        try:
            return await self._backend.locate(self._job.prompt_id) is Whereabouts.RUNNING
        except BotError:
            return False


def _verdict(limit: float) -> Message:
    if limit < 120:
        span = n_("{count} second", "{count} seconds", round(limit))
    else:
        span = n_("{count} minute", "{count} minutes", round(limit / 60))
    return _(
        "ComfyUI worked on this, but nothing was heard of it for {span}, so it was stopped."
        " Please try again, with smaller values if it happens again.",
        span=span,
    )
