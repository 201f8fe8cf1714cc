"""`/history`: shows a member their own jobs page by page, and the result they choose, in private answers."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, Self

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import InputError
from bot.i18n import Message, _, n_
from bot.jobs.job import Delivery, Job, StaleJobError
from bot.jobs.repository import ResultStore
from bot.ui.client.error_handler import explain_error
from bot.ui.locale import Languages
from bot.ui.messages.edit_route import Attached, discord_files
from bot.ui.messages.packing import Packer, Result
from bot.ui.messages.render import Renderer
from bot.ui.page import SILENT, Page, layout
from bot.ui.pages.history import (
    CHOOSE,
    PER_PAGE,
    TURN,
    HistoryPage,
    has_result,
)

DATABASE_TIMEOUT = 2.0
"""Seconds for reading a page from the database; Discord waits three for the answer."""


class Jobs(Protocol):
    """The part of `bot.jobs.repository.JobRepository` that is needed here."""

    async def get(self, job_id: str) -> Job | None: ...

    async def history(self, user_id: int, *, limit: int, offset: int = 0) -> Sequence[Job]: ...

    async def update(self, job: Job, *, delivery: Delivery) -> Job: ...


class HistoryService:
    def __init__(
        self, *, store: Jobs, results: ResultStore, packer: Packer, renderer: Renderer, languages: Languages
    ) -> None:
        self._store = store
        self._results = results
        self._packer = packer
        self._renderer = renderer
        self._page = HistoryPage(languages)

    async def open(self, interaction: discord.Interaction) -> None:
        view = await self._view(interaction, 0)
        await interaction.response.send_message(view=view, ephemeral=True, allowed_mentions=SILENT)

    async def turn(self, interaction: discord.Interaction, number: int) -> None:
        await interaction.response.edit_message(view=await self._view(interaction, number), allowed_mentions=SILENT)

    async def show(self, interaction: discord.Interaction, job_id: str) -> None:
        """Answer a choice in the menu with the result, privately."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            job, page, files = await self._show_result(interaction, job_id)
        except Exception as error:  # no caller would answer the choice
            page = self._renderer.notice(_("History"), explain_error(error), interaction.locale.value)
            await interaction.edit_original_response(view=layout(page), allowed_mentions=SILENT)
            return
        await interaction.edit_original_response(
            view=layout(page), attachments=discord_files(files), allowed_mentions=SILENT
        )
        if job.delivery is Delivery.UNDELIVERABLE:
            await self._remember(job)

    async def _view(self, interaction: discord.Interaction, number: int) -> discord.ui.LayoutView:
        async with asyncio.timeout(DATABASE_TIMEOUT):
            jobs = await self._store.history(interaction.user.id, limit=PER_PAGE + 1, offset=number * PER_PAGE)
        locale = interaction.locale.value
        return self._page.view(jobs[:PER_PAGE], number, has_more=len(jobs) > PER_PAGE, locale=locale)

    async def _show_result(self, interaction: discord.Interaction, job_id: str) -> tuple[Job, Page, Sequence[Attached]]:
        job = await self._store.get(job_id)
        if job is None or job.requester.user_id != interaction.user.id or not has_result(job):
            raise InputError(_("I can't find that result."))
        outputs = await self._results.get(job.id)
        if not outputs:
            raise InputError(_gone(job))
        # One private message: the bot cannot post follow-ups below it
        place = replace(job.place, bot_can_edit=False, upload_limit=interaction.filesize_limit)
        reader = replace(job.requester, locale=interaction.locale.value)
        result = await self._packer.pack(replace(job, place=place, requester=reader), outputs)
        if not result.batches:
            raise InputError(
                _("The files are too large to post here. Try /history in a Discord server with a higher upload limit.")
            )
        files = [piece.attached for piece in result.batches[0]]
        page = self._renderer.result(
            replace(job, requester=reader), [file.filename for file in files], _note(job, result), result.words
        )
        return job, page, files

    async def _remember(self, job: Job) -> None:
        try:
            await self._store.update(job, delivery=Delivery.SENT)
        except StaleJobError:
            return  # another process shows it, too


def _gone(job: Job) -> Message:
    seed = job.spec.values.get("seed")
    if isinstance(seed, int):
        return _(
            "These files have expired. Use seed {seed} with the same options to recreate the result.", seed=str(seed)
        )
    return _("These files have expired. Please run the command again.")


def _note(job: Job, result: Result) -> Message | None:
    missing = result.unfit + result.surplus
    if not missing:
        return job.note
    more = n_("1 more file didn't fit into this message.", "{count} more files didn't fit into this message.", missing)
    return _("{note}\n{more}", note=job.note, more=more) if job.note else more


class HistoryCommand(commands.Cog):
    """The command and the components of its answers, which still work after a restart."""

    def __init__(self, *, bot: commands.AutoShardedBot, history: HistoryService) -> None:
        self._bot = bot
        self._history = history
        self._items = (_menu(history), _turn(history))

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(*self._items)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(*self._items)

    @app_commands.command(name="history", description="Your past requests and their images")
    async def history(self, interaction: discord.Interaction) -> None:
        await self._history.open(interaction)


def _menu(history: HistoryService) -> type[discord.ui.DynamicItem[discord.ui.Select[Any]]]:
    class Menu(discord.ui.DynamicItem[discord.ui.Select[Any]], template=re.escape(CHOOSE)):
        @classmethod
        async def from_custom_id(
            cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], _match: re.Match[str], /
        ) -> Self:
            return cls(item)  # pyright: ignore[reportArgumentType]  # the menu of that custom id

        async def callback(self, interaction: discord.Interaction) -> None:
            chosen: list[str] = (interaction.data or {}).get("values", [])
            await history.show(interaction, chosen[0] if chosen else "")

    return Menu


def _turn(history: HistoryService) -> type[discord.ui.DynamicItem[discord.ui.Button[Any]]]:
    class Turn(discord.ui.DynamicItem[discord.ui.Button[Any]], template=re.escape(TURN) + r"(?P<number>\d{1,6})"):
        def __init__(self, item: discord.ui.Button[Any], number: int) -> None:
            super().__init__(item)
            self.number = number

        @classmethod
        async def from_custom_id(
            cls, _interaction: discord.Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
        ) -> Self:
            return cls(item, int(match["number"]))  # pyright: ignore[reportArgumentType]  # the button of that custom id

        async def callback(self, interaction: discord.Interaction) -> None:
            await history.turn(interaction, self.number)

    return Turn
