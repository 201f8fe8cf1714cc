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
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.ui.messages.direct_messages import DirectMessages
from bot.ui.messages.discord_errors import DiscordError, ErrorKind
from bot.ui.messages.edit_route import Attached, MessageRoute
from bot.ui.page import Page

log = logging.getLogger(__name__)

RETRY_PAUSES = (2.0, 5.0, 15.0)
"""Seconds before each retry after a transient error."""


class FinalEditor:
    def __init__(
        self, *, route: MessageRoute, direct_messages: DirectMessages, store: JobRepository, clock: Clock
    ) -> None:
        self._route = route
        self._direct_messages = direct_messages
        self._store = store
        self._clock = clock

    async def edit(self, job: Job, page: Page, files: Sequence[Attached] = ()) -> Job:
        """Make the final edit; return the newest version of the job. Raises `DiscordError` and `StaleJobError`."""
        for pause in (*RETRY_PAUSES, None):
            try:
                await self._route.edit(job.place, page, files)
            except DiscordError as error:
                fresh = await self._job_to_retry(error, job, pause)
                if fresh is None:
                    raise
                job = fresh
            else:
                return job
        return job

    async def handle_error(self, job: Job, error: DiscordError, reason: Message | None = None) -> Delivery:
        """Handle a final edit that was refused: of a result, or of the `reason` why there is none.

        Raises `FailedError` for a result that Discord will never accept.
        """
        refused_bot = error.kind is ErrorKind.TOKEN_DEAD and job.place.bot_can_edit
        if error.kind is ErrorKind.TRANSIENT or refused_bot:
            log.warning("job %s: final edit postponed: %s", job.id, error)
            return Delivery.PENDING
        if error.kind in (ErrorKind.BUG, ErrorKind.TOO_LARGE):
            log.error("job %s: Discord rejected the final edit", job.id, exc_info=error)
            if reason is None:
                raise FailedError(_("Discord rejected the result. Please run the command again.")) from error
        log.warning("job %s: final edit impossible: %s", job.id, error)
        return await self._send_direct_message(job, error.kind, reason)

    async def _send_direct_message(self, job: Job, why: ErrorKind, reason: Message | None) -> Delivery:
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

    async def _job_to_retry(self, error: DiscordError, job: Job, pause: float | None) -> Job | None:
        """Return the job to retry with, after a pause if needed; None if a retry would fail in the same way."""
        if error.kind is ErrorKind.TRANSIENT and pause is not None:
            log.info("job %s: retrying the final edit in %d s: %s", job.id, pause, error)
            await self._clock.sleep(pause)
            return await self._newest(job)
        if error.kind is ErrorKind.TOKEN_DEAD and not job.place.bot_can_edit:
            newest = await self._newest(job)  # *Show result* may have brought a fresh token meanwhile
            return newest if newest.place.token != job.place.token else None
        return None

    async def _newest(self, job: Job) -> Job:
        """Return the job with its newest token. Raises `StaleJobError` if another process took it over."""
        return await self._store.update(job, told=job.told)
