"""*Show result*: a press brings a fresh 15-minute token, with which the message is updated again.

Needed where only a token can edit: in private answers, and where only the member installed the bot.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

import discord
from discord.ext import commands

from bot.clock import Clock
from bot.errors import FailedError
from bot.i18n import Message, _
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.ports import DeliveryResult
from bot.jobs.repository import ResultStore
from bot.ui.buttons import job_button, reply_ephemeral
from bot.ui.client.error_handler import explain_error
from bot.ui.commands.first_reply import TOKEN_LIFETIME
from bot.ui.locale import Languages
from bot.ui.messages.discord_errors import DiscordError, translate_errors
from bot.ui.messages.presenter import DiscordPresenter
from bot.ui.messages.render import SHOW_RESULT

log = logging.getLogger(__name__)

ANSWERED_WITHIN = 3.0
"""Discord accepts an answer at most this many seconds after the press."""


class Jobs(Protocol):
    """The part of `bot.jobs.repository.JobRepository` that is needed here."""

    async def get(self, job_id: str) -> Job | None: ...

    async def renew_token(self, job_id: str, token: str, expires: float) -> Job | None: ...

    async def take_over(self, job_id: str) -> Job | None:
        """Take over a job from the process that works on it."""
        ...

    async def transition(self, job: Job, state: JobState, **changes: Any) -> Job: ...

    async def update(self, job: Job, **changes: Any) -> Job: ...


class ShowResult:
    def __init__(
        self,
        *,
        store: Jobs,
        results: ResultStore,
        messages: DiscordPresenter,
        languages: Languages,
        clock: Clock,
        is_ours: Callable[[Job], bool] = lambda _job: True,
    ) -> None:
        """`is_leased` says whether this process updates the job's message; if not, another one picks up the token."""
        self._store = store
        self._is_ours = is_ours
        self._results = results
        self._messages = messages
        self._languages = languages
        self._clock = clock

    async def press(self, interaction: discord.Interaction, job_id: str) -> None:
        """Show the job's status in the pressed message and keep it updated."""
        try:
            await self._press(interaction, job_id)
        except StaleJobError:
            log.info("job %s: another process delivers its result", job_id)
        except DiscordError as refusal:
            log.warning("job %s: could not answer a button press: %s", job_id, refusal)
        except Exception as error:  # no caller would answer the press
            await reply_ephemeral(interaction, explain_error(error), self._languages)

    async def _press(self, interaction: discord.Interaction, job_id: str) -> None:
        job = await self._store.get(job_id)
        if job is None:
            message = _("This request is too old. Please run the command again.")
            return await reply_ephemeral(interaction, message, self._languages)
        if job.requester.user_id != interaction.user.id:
            return await reply_ephemeral(
                interaction, _("Only the person who asked for this can refresh it."), self._languages
            )
        with translate_errors():
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
        files = await self._results.get(job.id) if has_result else ()
        if job.state is JobState.DELIVERING and not files:
            return self._go_on(job)  # still being fetched from the server
        ours = await self._store.take_over(job.id)
        if ours is None:
            return None
        if files:
            told = await self._deliver(ours, files)
        else:
            told = await self._messages.fail(ours, _reason(ours))
        return await self._remember(ours, told)

    async def _deliver(self, job: Job, files: Any) -> DeliveryResult:
        try:
            return await self._messages.deliver(job, files, job.note)
        except FailedError as error:
            await self._messages.fail(job, error.user_message)
            return DeliveryResult.KEPT

    async def _remember(self, job: Job, told: DeliveryResult) -> None:
        if told is DeliveryResult.LATER:
            await self._store.update(job, not_before=self._clock.now())  # due at once for the delivery service
            return
        delivery = Delivery.SENT if told is DeliveryResult.SENT else Delivery.UNDELIVERABLE
        if job.state is JobState.DELIVERING:
            await self._store.transition(job, JobState.DONE, delivery=delivery)
        else:
            await self._store.update(job, delivery=delivery)


def _reason(job: Job) -> Message:
    match job.state:
        case JobState.DONE | JobState.DELIVERING:
            return _("This result has expired. Please run it again.")
        case JobState.CANCELLED:
            return job.error or _("This request was cancelled.")
        case _:
            return job.error or _("This request failed. Please try again.")


class ShowResultButton(commands.Cog):
    def __init__(self, *, bot: discord.Client, show: ShowResult) -> None:
        self._bot = bot
        self._button = job_button(SHOW_RESULT, show.press)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(self._button)
