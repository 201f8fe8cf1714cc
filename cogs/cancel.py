"""*Cancel* and `/cancel`: members can cancel their own jobs, moderators those of their guild.

Moderators need *Manage Messages* in the channel: they could delete the message as well.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Protocol

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import DeniedError, InputError
from bot.i18n import Message, _
from bot.jobs.execution.cancellation import JobCanceller
from bot.jobs.job import Job, JobState
from bot.jobs.repository import DatabaseUnavailableError
from bot.ui.buttons import job_button, reply_ephemeral
from bot.ui.client.error_handler import explain_error
from bot.ui.locale import Languages, cut
from bot.ui.messages.render import CANCEL
from bot.ui.page import SILENT

log = logging.getLogger(__name__)

CANCELLABLE = (JobState.HELD, JobState.QUEUED, JobState.RUNNING)
MAX_CHOICES = 25
"""Discord's limit for suggestions."""
LOOKED_AT = 200
"""Unfinished jobs searched for suggestions."""
ANSWER_LIMIT = 2.0
"""Seconds for the work before an answer; Discord waits three."""


class Jobs(Protocol):
    """The part of `bot.jobs.repository.JobRepository` that is needed here."""

    async def get(self, job_id: str) -> Job | None: ...

    async def browse(self, states: Collection[JobState], *, limit: int) -> Sequence[Job]: ...


class JobCancelling:
    def __init__(self, *, store: Jobs, canceller: JobCanceller, languages: Languages) -> None:
        self._store = store
        self._canceller = canceller
        self._languages = languages

    async def press(self, interaction: discord.Interaction, job_id: str) -> None:
        """Answer the button; the job's message shows the outcome."""
        try:
            job = await self._cancelled(interaction, job_id)
            await interaction.response.defer()
            if _is_too_late(job):
                await reply_ephemeral(interaction, _("This request has already finished."), self._languages)
        except Exception as error:  # no caller would answer the press
            await reply_ephemeral(interaction, explain_error(error), self._languages)

    async def command(self, interaction: discord.Interaction, job_id: str | None) -> None:
        """Answer `/cancel`; without a job id, the member's only active job is meant."""
        job = await self._cancelled(interaction, job_id)
        text = self._languages.render(_answer(job), interaction.locale.value)
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=SILENT)

    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return matching jobs that the user may cancel, their own first."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                jobs = await self._store.browse(CANCELLABLE, limit=LOOKED_AT)
        except TimeoutError:
            return []
        permitted = sorted(
            (job for job in jobs if _may(interaction, job)),
            key=lambda job: job.requester.user_id != interaction.user.id,
        )
        choices = ((_label(job, interaction.user.id), job.id) for job in permitted)
        wanted = [(label, job_id) for label, job_id in choices if typed.casefold() in label.casefold()]
        return [app_commands.Choice(name=cut(label, 100), value=job_id) for label, job_id in wanted[:MAX_CHOICES]]

    async def _cancelled(self, interaction: discord.Interaction, job_id: str | None) -> Job:
        """Store the request durably before it is confirmed, and in time for the answer."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                job = await self._permitted(interaction, job_id or await self._only_one(interaction))
                return await self._canceller.cancel(job.id, interaction.user.id) or job
        except TimeoutError as error:
            raise DatabaseUnavailableError from error

    async def _only_one(self, interaction: discord.Interaction) -> str:
        jobs = await self._store.browse(CANCELLABLE, limit=LOOKED_AT)
        own = [job for job in jobs if job.requester.user_id == interaction.user.id]
        if not own:
            raise InputError(_("You have no requests waiting or running."))
        if len(own) > 1:
            raise InputError(_("You have {count} active requests. Pick one under **job**.", count=len(own)))
        return own[0].id

    async def _permitted(self, interaction: discord.Interaction, job_id: str) -> Job:
        job = await self._store.get(job_id)
        if job is None:
            raise InputError(_("I can't find that request. Please pick one from the list."))
        if not _may(interaction, job):
            raise DeniedError(_("Only the person who asked for this, or a moderator, can cancel it."))
        return job


def _may(interaction: discord.Interaction, job: Job) -> bool:
    if job.requester.user_id == interaction.user.id:
        return True
    is_here = interaction.guild_id is not None and interaction.guild_id == job.place.guild_id
    return is_here and interaction.permissions.manage_messages


def _is_too_late(job: Job) -> bool:
    return job.state not in (*CANCELLABLE, JobState.CANCELLED)


def _answer(job: Job) -> Message:
    if job.state is JobState.CANCELLED:
        return _("Cancelled.")
    if job.state is JobState.RUNNING:
        return _("Cancelling… it will stop at the next step.")
    return _("This request has already finished.")


def _label(job: Job, reader: int) -> str:
    prompt = job.spec.values.get("prompt")
    words = [job.spec.title, " ".join(prompt.split()) if isinstance(prompt, str) else ""]
    whose = [] if job.requester.user_id == reader else [job.requester.name]
    return " · ".join(part for part in (*whose, *words) if part)


class CancelCommand(commands.Cog):
    def __init__(self, *, bot: discord.Client, jobs: JobCancelling) -> None:
        self._bot = bot
        self._jobs = jobs
        self._button = job_button(CANCEL, jobs.press)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(self._button)

    @app_commands.command(name="cancel", description="Cancel one of your requests")
    @app_commands.describe(job="Which request (optional if you only have one)")
    async def cancel(self, interaction: discord.Interaction, job: str | None = None) -> None:
        await self._jobs.command(interaction, job)

    @cancel.autocomplete("job")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return await self._jobs.suggest(interaction, typed)
