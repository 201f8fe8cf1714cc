"""The final edit of a job's message: retried after transient errors, with a fallback when it is impossible.

A result counts as delivered only if Discord accepted it. Otherwise delivery is postponed, or the member gets a direct
message that says where to find the result.
"""

import logging
from collections.abc import Sequence

from bot.clock import Clock
from bot.errors import FailedError
from bot.i18n import Message, _
from bot.jobs.job import Delivery, Job
from bot.jobs.repository import DatabaseUnavailableError
from bot.ui.messages.direct_messages import DirectMessages, Notes
from bot.ui.messages.discord_errors import DiscordError, ErrorKind
from bot.ui.messages.edit_route import Attached, MessageRoute
from bot.ui.page import Page

log = logging.getLogger(__name__)

RETRY_PAUSES = (2.0, 5.0, 15.0)
"""Seconds before each retry after a transient error."""


class FinalEditor:
    def __init__(self, *, route: MessageRoute, direct_messages: DirectMessages, notes: Notes, clock: Clock) -> None:
        self._route = route
        self._direct_messages = direct_messages
        self._notes = notes
        self._clock = clock

    async def edit(self, job: Job, page: Page, files: Sequence[Attached] = ()) -> Job:
        """Make the final edit; return the newest version of the job. Raises `DiscordError` and `StaleJobError`."""
        for pause in (*RETRY_PAUSES, None):
            try:
                await self._route.edit(job.place, page, files)
            except DiscordError as refusal:
                fresh = await self._after(refusal, job, pause)
                if fresh is None:
                    raise
                job = fresh
            else:
                return job
        return job

    async def not_made(self, job: Job, refusal: DiscordError, reason: Message | None = None) -> Delivery:
        """Handle a final edit that was refused: of a result, or of the `reason` why there is none.

        Raises `FailedError` for a result that Discord will never accept.
        """
        refused_bot = refusal.meaning is ErrorKind.TOKEN_DEAD and job.place.bot_can_edit
        if refusal.meaning is ErrorKind.TRANSIENT or refused_bot:
            log.warning("job %s: final edit postponed: %s", job.id, refusal)
            return Delivery.PENDING
        if refusal.meaning in (ErrorKind.BUG, ErrorKind.TOO_LARGE):
            log.error("job %s: Discord rejected the final edit", job.id, exc_info=refusal)
            if reason is None:
                raise FailedError(_("Discord rejected the result. Please run the command again.")) from refusal
        log.warning("job %s: final edit impossible: %s", job.id, refusal)
        return await self._elsewhere(job, refusal.meaning, reason)

    async def _elsewhere(self, job: Job, why: ErrorKind, reason: Message | None) -> Delivery:
        try:
            if why is ErrorKind.FORBIDDEN:
                await self._direct_messages.ask_for_permission(job)
            if reason is None:
                await self._direct_messages.result_waits(job, why)
            else:
                await self._direct_messages.failed(job, reason)
        except DatabaseUnavailableError:
            return Delivery.PENDING
        return Delivery.UNDELIVERABLE

    async def _after(self, refusal: DiscordError, job: Job, pause: float | None) -> Job | None:
        """Return the job to retry with, after a pause if needed; None if a retry would fail in the same way."""
        if refusal.meaning is ErrorKind.TRANSIENT and pause is not None:
            log.info("job %s: retrying the final edit in %d s: %s", job.id, pause, refusal)
            await self._clock.sleep(pause)
            return await self._still_ours(job)
        if refusal.meaning is ErrorKind.TOKEN_DEAD and not job.place.bot_can_edit:
            newest = await self._still_ours(job)  # *Show result* may have brought a fresh token meanwhile
            return newest if newest.place.token != job.place.token else None
        return None

    async def _still_ours(self, job: Job) -> Job:
        """Return the job with its newest token. Raises `StaleJobError` if another process took it over."""
        return await self._notes.update(job, told=job.told)
