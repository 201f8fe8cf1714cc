"""What *Show result* does: a press brings a fresh token of 15 minutes, and with it the message goes on.

Needed where only a token can edit: in private answers, and where only the member installed the bot.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import discord

from bot.clock import Clock
from bot.errors import FailedError
from bot.i18n import Message, _
from bot.jobs.job import Delivery, IllegalMoveError, Job, JobState
from bot.jobs.ports import Told
from bot.jobs.records import Shelf
from bot.ui.i18n import Languages
from bot.ui.messages import JobMessages
from bot.ui.pressing import whisper
from bot.ui.refusals import RefusedError, reading_refusals
from bot.ui.reply import TOKEN_LIFETIME
from bot.ui.tree import explain_error

log = logging.getLogger(__name__)

ANSWERED_WITHIN = 3.0
"""Seconds that a press is old at most once Discord has taken our answer to it."""


class Jobs(Protocol):
    """The part of `bot.jobs.records.JobStore` that is needed here."""

    async def get(self, job_id: str) -> Job | None:
        """Return the newest version of a job."""
        ...

    async def renew_token(self, job_id: str, token: str, expires: float) -> Job | None:
        """Remember a fresh token, whoever works on the job."""
        ...

    async def seize(self, job_id: str) -> Job | None:
        """Take a job from whoever works on it."""
        ...

    async def move(self, job: Job, state: JobState, **changes: Any) -> Job:
        """Carry out a state change."""
        ...

    async def note(self, job: Job, **changes: Any) -> Job:
        """Set fields of a job."""
        ...


class ShowResult:
    """Answers presses of *Show result*."""

    def __init__(
        self,
        *,
        store: Jobs,
        shelf: Shelf,
        messages: JobMessages,
        languages: Languages,
        clock: Clock,
        is_ours: Callable[[Job], bool] = lambda _job: True,
    ) -> None:
        """`is_ours` says whether this process tells how a job stands; else the one that does finds the fresh token."""
        self._store = store
        self._is_ours = is_ours
        self._shelf = shelf
        self._messages = messages
        self._languages = languages
        self._clock = clock

    async def press(self, interaction: discord.Interaction, job_id: str) -> None:
        """Show in the pressed message how its job stands, and go on doing so."""
        try:
            await self._press(interaction, job_id)
        except IllegalMoveError:
            log.info("job %s: somebody else tells its end", job_id)
        except RefusedError as refusal:
            log.warning("job %s: a press could not be answered: %s", job_id, refusal)
        except Exception as error:  # nobody above us would answer the press
            await whisper(interaction, explain_error(error), self._languages)

    async def _press(self, interaction: discord.Interaction, job_id: str) -> None:
        job = await self._store.get(job_id)
        if job is None:
            return await whisper(
                interaction, _("This request is not known any more. Please ask again."), self._languages
            )
        if job.requester.user_id != interaction.user.id:
            return await whisper(
                interaction, _("Only the member who asked for this can bring it up to date."), self._languages
            )
        with reading_refusals():
            await interaction.response.defer()
        expires = self._clock.now() + TOKEN_LIFETIME - ANSWERED_WITHIN
        job = await self._store.renew_token(job_id, interaction.token, expires) or job
        if job.state.is_final or job.state is JobState.DELIVERING:
            return await self._show_end(job)
        return self._go_on(job)

    def _go_on(self, job: Job) -> None:
        if self._is_ours(job):
            self._messages.renew(job)

    async def _show_end(self, job: Job) -> None:
        has_result = job.state in (JobState.DONE, JobState.DELIVERING)
        files = await self._shelf.get(job.id) if has_result else ()
        if job.state is JobState.DELIVERING and not files:
            return self._go_on(job)  # they are still on their way from the server
        ours = await self._store.seize(job.id)
        if ours is None:
            return None
        if files:
            told = await self._deliver(ours, files)
        else:
            told = await self._messages.fail(ours, _reason(ours))
        return await self._remember(ours, told)

    async def _deliver(self, job: Job, files: Any) -> Told:
        try:
            return await self._messages.deliver(job, files, job.note)
        except FailedError as error:
            await self._messages.fail(job, error.user_message)
            return Told.KEPT

    async def _remember(self, job: Job, told: Told) -> None:
        if told is Told.LATER:
            await self._store.note(job, not_before=self._clock.now())  # whoever delivers what is due, may go on
            return
        delivery = Delivery.SENT if told is Told.SENT else Delivery.KEPT
        if job.state is JobState.DELIVERING:
            await self._store.move(job, JobState.DONE, delivery=delivery)
        else:
            await self._store.note(job, delivery=delivery)


def _reason(job: Job) -> Message:
    match job.state:
        case JobState.DONE | JobState.DELIVERING:
            return _("The result is not kept any more. Please ask again.")
        case JobState.CANCELLED:
            return job.error or _("This request was cancelled.")
        case _:
            return job.error or _("This request failed. Please ask again.")
