"""The last edit of a job's message: retried while its reason may pass, and what follows when it cannot be made.

It is never said to be delivered what is not: then it is put off, or the member is told elsewhere where it waits.
"""

import logging
from collections.abc import Sequence

from bot.clock import Clock
from bot.errors import FailedError
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.jobs.ports import Told
from bot.jobs.records import StoreDownError
from bot.ui.mailbox import Mailbox, Notes
from bot.ui.page import Page
from bot.ui.refusals import Meaning, RefusedError
from bot.ui.route import Attached, MessageRoute

log = logging.getLogger(__name__)

RETRY_PAUSES = (2.0, 5.0, 15.0)
"""Seconds before each further try for a reason that may pass."""


class Endings:
    """Makes last edits."""

    def __init__(self, *, route: MessageRoute, mailbox: Mailbox, notes: Notes, clock: Clock) -> None:
        self._route = route
        self._mailbox = mailbox
        self._notes = notes
        self._clock = clock

    async def edit(self, job: Job, page: Page, files: Sequence[Attached] = ()) -> Job:
        """Make the last edit; return the job as it is by then. Raises `RefusedError` and `IllegalMoveError`."""
        for pause in (*RETRY_PAUSES, None):
            try:
                await self._route.edit(job.place, page, files)
            except RefusedError as refusal:
                fresh = await self._after(refusal, job, pause)
                if fresh is None:
                    raise
                job = fresh
            else:
                return job
        return job

    async def not_made(self, job: Job, refusal: RefusedError, reason: Message | None = None) -> Told:
        """Do what follows when the message cannot show the end: the result, or the `reason` why there is none.

        Raises `FailedError` for a result that Discord never takes.
        """
        refused_bot = refusal.meaning is Meaning.TOKEN_DEAD and job.place.bot_can_edit
        if refusal.meaning is Meaning.PASSING or refused_bot:
            log.warning("job %s: its end is put off: %s", job.id, refusal)
            return Told.LATER
        if refusal.meaning in (Meaning.OURS, Meaning.TOO_LARGE):
            log.error("job %s: its last edit was refused", job.id, exc_info=refusal)
            if reason is None:
                raise FailedError(_("Discord does not take the result. Please ask again.")) from refusal
        log.warning("job %s: its message cannot show its end: %s", job.id, refusal)
        return await self._elsewhere(job, refusal.meaning, reason)

    async def _elsewhere(self, job: Job, why: Meaning, reason: Message | None) -> Told:
        try:
            if why is Meaning.FORBIDDEN:
                await self._mailbox.ask_for_permission(job)
            if reason is None:
                await self._mailbox.result_waits(job, why)
            else:
                await self._mailbox.failed(job, reason)
        except StoreDownError:
            return Told.LATER
        return Told.KEPT

    async def _after(self, refusal: RefusedError, job: Job, pause: float | None) -> Job | None:
        """Return the job to try again with, after a pause if need be; None when that would end the same."""
        if refusal.meaning is Meaning.PASSING and pause is not None:
            log.info("job %s: its last edit is tried again in %d s: %s", job.id, pause, refusal)
            await self._clock.sleep(pause)
            return await self._still_ours(job)
        if refusal.meaning is Meaning.TOKEN_DEAD and not job.place.bot_can_edit:
            newest = await self._still_ours(job)  # the member may have pressed *Show result* just now
            return newest if newest.place.token != job.place.token else None
        return None

    async def _still_ours(self, job: Job) -> Job:
        """Return the job with its newest token. Raises `IllegalMoveError` when somebody else took it over."""
        return await self._notes.note(job, told=job.told)
