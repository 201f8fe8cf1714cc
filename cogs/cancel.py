"""*Cancel* and `/cancel`: members can cancel their own jobs, moderators those of their guild.

Moderators need *Manage Messages* in the channel: they could delete the message as well.
"""

import asyncio
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import DeniedError, InputError
from bot.i18n import Message, _
from bot.jobs.execution.cancellation import JobCanceller
from bot.jobs.job import Job, JobState
from bot.jobs.repository import JobRepository
from bot.ui.buttons import dynamic_button
from bot.ui.locale import Languages
from bot.ui.messages.render import CANCEL
from bot.ui.replies import ANSWER_TIMEOUT, in_time, reply_ephemeral, reply_text, suggestions

CANCELLABLE = (JobState.HELD, JobState.QUEUED, JobState.RUNNING)
MAX_JOBS = 200
"""Unfinished jobs that are searched."""


class CancelCommand(commands.Cog):
    def __init__(
        self, *, bot: discord.Client, store: JobRepository, canceller: JobCanceller, languages: Languages
    ) -> None:
        self._bot = bot
        self._store = store
        self._canceller = canceller
        self._languages = languages
        self._button = dynamic_button(CANCEL, self._press)

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(self._button)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(self._button)

    @app_commands.command(name="cancel", description="Cancel one of your requests")
    @app_commands.describe(job="Which request (optional if you only have one)")
    async def cancel(self, interaction: discord.Interaction, job: str | None = None) -> None:
        cancelled = await self._cancel(interaction, job)
        await reply_text(interaction, _state_text(cancelled), self._languages)

    @cancel.autocomplete("job")
    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return matching jobs that the user may cancel, their own first."""
        user_id = interaction.user.id
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                jobs = await self._store.browse(CANCELLABLE, limit=MAX_JOBS)
        except TimeoutError:
            return []
        permitted = [job for job in jobs if _may_cancel(interaction, job)]
        permitted.sort(key=lambda job: job.requester.user_id != user_id)
        return suggestions([(_label(job, user_id), job.id) for job in permitted], typed)

    async def _press(self, interaction: discord.Interaction[Any], job_id: str) -> None:
        """Answer the button; the job's message shows the outcome."""
        job = await self._cancel(interaction, job_id)
        await interaction.response.defer()
        if job.state not in (*CANCELLABLE, JobState.CANCELLED):
            await reply_ephemeral(interaction, _state_text(job), self._languages)

    async def _cancel(self, interaction: discord.Interaction, job_id: str | None) -> Job:
        """Store the request durably before it is confirmed; without a job id, the user's only active job is meant."""
        async with in_time(ANSWER_TIMEOUT):
            job = await (self._get(job_id) if job_id else self._only_job(interaction))
            if not _may_cancel(interaction, job):
                raise DeniedError(_("Only the person who asked for this, or a moderator, can cancel it."))
            return await self._canceller.cancel(job.id, interaction.user.id) or job

    async def _only_job(self, interaction: discord.Interaction) -> Job:
        jobs = await self._store.browse(CANCELLABLE, limit=MAX_JOBS)
        own = [job for job in jobs if job.requester.user_id == interaction.user.id]
        if not own:
            raise InputError(_("You have no requests waiting or running."))
        if len(own) > 1:
            raise InputError(_("You have {count} active requests. Pick one under **job**.", count=len(own)))
        return own[0]

    async def _get(self, job_id: str) -> Job:
        job = await self._store.get(job_id)
        if job is None:
            raise InputError(_("I can't find that request. Please pick one from the list."))
        return job


def _may_cancel(interaction: discord.Interaction, job: Job) -> bool:
    if job.requester.user_id == interaction.user.id:
        return True
    is_here = interaction.guild_id is not None and interaction.guild_id == job.place.guild_id
    return is_here and interaction.permissions.manage_messages


def _state_text(job: Job) -> Message:
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
