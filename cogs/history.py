"""`/history`: shows a member their own jobs page by page, and the result they choose, in private answers."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self, cast

import discord
from discord import app_commands
from discord.ext import commands

from bot.errors import InputError
from bot.i18n import Message, _, n_
from bot.jobs.job import Delivery, Job, StaleJobError
from bot.jobs.repository import JobRepository, ResultStore
from bot.ui.buttons import Press, dynamic_button
from bot.ui.client.error_handler import explain_error
from bot.ui.locale import Languages
from bot.ui.messages.edit_route import Attached, discord_files
from bot.ui.messages.packing import Packer, Result
from bot.ui.messages.render import Renderer
from bot.ui.page import SILENT, Page, layout
from bot.ui.pages.history import CHOOSE, PER_PAGE, TURN_PAGE, HistoryPage, has_result
from bot.ui.replies import ANSWER_TIMEOUT, in_time, reply_view


class HistoryCommand(commands.Cog):
    """The command and the components of its answers, which still work after a restart."""

    def __init__(
        self,
        *,
        bot: discord.Client,
        store: JobRepository,
        results: ResultStore,
        packer: Packer,
        renderer: Renderer,
        languages: Languages,
    ) -> None:
        self._bot = bot
        self._store = store
        self._results = results
        self._packer = packer
        self._renderer = renderer
        self._page = HistoryPage(languages)
        self._items = (_menu(self._show), dynamic_button(TURN_PAGE, self._turn))

    async def cog_load(self) -> None:
        self._bot.add_dynamic_items(*self._items)

    async def cog_unload(self) -> None:
        self._bot.remove_dynamic_items(*self._items)

    @app_commands.command(name="history", description="Your past requests and their images")
    async def history(self, interaction: discord.Interaction) -> None:
        await reply_view(interaction, await self._view(interaction, 0))

    async def _turn(self, interaction: discord.Interaction[Any], number: str) -> None:
        view = await self._view(interaction, int(number))
        await interaction.response.edit_message(view=view, allowed_mentions=SILENT)

    async def _view(self, interaction: discord.Interaction[Any], number: int) -> discord.ui.LayoutView:
        async with in_time(ANSWER_TIMEOUT):
            jobs = await self._store.history(interaction.user.id, limit=PER_PAGE + 1, offset=number * PER_PAGE)
        locale = interaction.locale.value
        return self._page.view(jobs[:PER_PAGE], number, has_more=len(jobs) > PER_PAGE, locale=locale)

    async def _show(self, interaction: discord.Interaction[Any], job_id: str) -> None:
        """Answer a choice in the menu with the result, privately."""
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            job, page, files = await self._result(interaction, job_id)
        except Exception as error:  # no caller would answer the choice
            page = self._renderer.notice(_("History"), explain_error(error), interaction.locale.value)
            await interaction.edit_original_response(view=layout(page), allowed_mentions=SILENT)
            return
        await interaction.edit_original_response(
            view=layout(page), attachments=discord_files(files), allowed_mentions=SILENT
        )
        if job.delivery is Delivery.UNDELIVERABLE:
            with suppress(StaleJobError):  # another process shows it, too
                await self._store.update(job, delivery=Delivery.SENT)

    async def _result(self, interaction: discord.Interaction[Any], job_id: str) -> tuple[Job, Page, Sequence[Attached]]:
        """Return a job of the user, and the page and files that show its result."""
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


def _menu(show: Press) -> type[discord.ui.DynamicItem[discord.ui.Select[Any]]]:
    class Menu(discord.ui.DynamicItem[discord.ui.Select[Any]], template=re.escape(CHOOSE)):
        @classmethod
        async def from_custom_id(
            cls, _interaction: discord.Interaction[Any], item: discord.ui.Item[Any], _match: re.Match[str], /
        ) -> Self:
            return cls(cast("discord.ui.Select[Any]", item))

        async def callback(self, interaction: discord.Interaction[Any]) -> None:
            await show(interaction, self.item.values[0])

    return Menu
