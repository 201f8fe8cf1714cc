"""What *Cancel* and `/cancel` do: a member may cancel their own jobs, a moderator those of their server.

A moderator is whoever may manage messages where the job's message is: they could delete it as well.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from typing import Protocol

import discord
from discord import app_commands

from bot.errors import DeniedError, InputError
from bot.i18n import Message, _
from bot.jobs.canceller import Canceller
from bot.jobs.job import Job, JobState
from bot.jobs.records import StoreDownError
from bot.ui.i18n import Languages, cut
from bot.ui.layout import SILENT
from bot.ui.pressing import whisper
from bot.ui.tree import explain_error

log = logging.getLogger(__name__)

CANCELLABLE = (JobState.HELD, JobState.QUEUED, JobState.RUNNING)
MAX_CHOICES = 25
"""Discord's limit for suggestions."""
LOOKED_AT = 200
"""Unfinished jobs that are searched for suggestions."""
ANSWER_LIMIT = 2.0
"""Seconds for what comes before an answer: Discord waits three for it."""


class Jobs(Protocol):
    """The part of `bot.jobs.records.JobStore` that is needed here."""

    async def get(self, job_id: str) -> Job | None:
        """Return the newest version of a job."""
        ...

    async def browse(self, states: Collection[JobState], *, limit: int) -> Sequence[Job]:
        """Return jobs in these states, newest first."""
        ...


class CancelJobs:
    """Answers those who want a job to end."""

    def __init__(self, *, store: Jobs, canceller: Canceller, languages: Languages) -> None:
        self._store = store
        self._canceller = canceller
        self._languages = languages

    async def press(self, interaction: discord.Interaction, job_id: str) -> None:
        """Answer the button: the message itself shows what becomes of it."""
        try:
            job = await self._cancelled(interaction, job_id)
            await interaction.response.defer()
            if _is_too_late(job):
                await whisper(interaction, _("This is over already."), self._languages)
        except Exception as error:  # nobody above us would answer the press
            await whisper(interaction, explain_error(error), self._languages)

    async def command(self, interaction: discord.Interaction, job_id: str | None) -> None:
        """Answer `/cancel`: for the chosen job, or for the only one there is."""
        job = await self._cancelled(interaction, job_id)
        text = self._languages.render(_answer(job), interaction.locale.value)
        await interaction.response.send_message(text, ephemeral=True, allowed_mentions=SILENT)

    async def suggest(self, interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """Return the jobs that somebody may cancel, their own first, as far as they fit what is typed."""
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
        """Write the wish down before anybody is told that it was heard, and in time for the answer."""
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                job = await self._permitted(interaction, job_id or await self._only_one(interaction))
                return await self._canceller.cancel(job.id, interaction.user.id) or job
        except TimeoutError as error:
            raise StoreDownError from error

    async def _only_one(self, interaction: discord.Interaction) -> str:
        jobs = await self._store.browse(CANCELLABLE, limit=LOOKED_AT)
        own = [job for job in jobs if job.requester.user_id == interaction.user.id]
        if not own:
            raise InputError(_("None of your requests is waiting or running."))
        if len(own) > 1:
            raise InputError(
                _("You have {count} requests that wait or run. Choose one in the option *job*.", count=len(own))
            )
        return own[0].id

    async def _permitted(self, interaction: discord.Interaction, job_id: str) -> Job:
        job = await self._store.get(job_id)
        if job is None:
            raise InputError(_("There is no such request. Choose one from the list."))
        if not _may(interaction, job):
            raise DeniedError(_("This is not yours: only the member who asked for it, or a moderator, can cancel it."))
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
        return _("It is being cancelled: ComfyUI stops at its next step.")
    return _("This is over already.")


def _label(job: Job, reader: int) -> str:
    prompt = job.spec.values.get("prompt")
    words = [job.spec.title, " ".join(prompt.split()) if isinstance(prompt, str) else ""]
    whose = [] if job.requester.user_id == reader else [job.requester.name]
    return " · ".join(part for part in (*whose, *words) if part)
