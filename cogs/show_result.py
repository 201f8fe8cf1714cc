"""*Show result*: a press brings a fresh 15-minute token, with which the message is updated again.

Needed where only a token can edit: in private answers, and where only the member installed the bot.
"""

import logging
from collections.abc import Callable

import discord
from discord.ext import commands

from bot.clock import Clock
from bot.i18n import _
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.job import Job, JobState, StaleJobError
from bot.jobs.repository import JobRepository
from bot.ui.buttons import dynamic_button
from bot.ui.commands.first_reply import TOKEN_LIFETIME
from bot.ui.locale import Languages
from bot.ui.messages.discord_errors import DiscordError, translate_errors
from bot.ui.messages.presenter import DiscordPresenter
from bot.ui.messages.render import SHOW_RESULT
from bot.ui.replies import reply_ephemeral

log = logging.getLogger(__name__)

ANSWER_MARGIN = 3.0
"""Seconds by which the token may be older than it seems: Discord accepts an answer that long after the press."""


class ShowResultButton(commands.Cog):
    def __init__(
        self,
        *,
        bot: discord.Client,
        store: JobRepository,
        delivery_service: DeliveryService,
        presenter: DiscordPresenter,
        languages: Languages,
        clock: Clock,
        is_reported_here: Callable[[Job], bool],
    ) -> None:
        """`is_reported_here` says whether this process updates a job's message; if not, another picks up the token."""
        self._bot = bot
        self._store = store
        self._delivery_service = delivery_service
        self._presenter = presenter
        self._languages = languages
        self._clock = clock
        self._is_reported_here = is_reported_here
        self._button = dynamic_button(SHOW_RESULT, self.press)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(self._button)

    async def press(self, interaction: discord.Interaction, job_id: str) -> None:
        """Show the job's status in the pressed message and keep it updated."""
        try:
            await self._press(interaction, job_id)
        except StaleJobError:
            log.info("job %s: another process delivers its result", job_id)
        except DiscordError as error:
            log.warning("job %s: could not answer a button press: %s", job_id, error)

    async def _press(self, interaction: discord.Interaction, job_id: str) -> None:
        job = await self._store.get(job_id)
        if job is None:
            message = _("This request is too old. Please run the command again.")
            return await reply_ephemeral(interaction, message, self._languages)
        if job.requester.user_id != interaction.user.id:
            message = _("Only the person who asked for this can refresh it.")
            return await reply_ephemeral(interaction, message, self._languages)
        with translate_errors():
            await interaction.response.defer()
        expires = self._clock.now() + TOKEN_LIFETIME - ANSWER_MARGIN
        job = await self._store.renew_token(job_id, interaction.token, expires) or job
        has_run = job.state.is_final or job.state is JobState.DELIVERING
        is_delivered = has_run and await self._delivery_service.deliver_now(job)
        if not is_delivered and self._is_reported_here(job):
            self._presenter.use_fresh_token(job)
        return None
