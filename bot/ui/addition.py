"""What `/workflow add` does: drafts a command from an attached file, shows it, and adds it when it is wished.

Nothing is written before *Add*. The proposal lives for ten minutes, and only its asker can press its buttons.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import discord

from bot.errors import BotError, InputError
from bot.i18n import Message, _
from bot.ui.answers import say
from bot.ui.audit import Audit
from bot.ui.authority import Authority
from bot.ui.i18n import Languages, cut
from bot.ui.layout import SILENT
from bot.ui.page import Tone
from bot.ui.tree import explain_error
from bot.workflow.importer.adding import Known, add, described, drafted
from bot.workflow.importer.anyfile import MAX_PICTURE
from bot.workflow.importer.draft import Draft
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.library import Library
from bot.workflow.wording import lines, shown

log = logging.getLogger(__name__)

LIFETIME = 600.0
DOWNLOAD_LIMIT = 60.0
MAX_TEXT = 3600
"""Characters of a proposal: all texts of a message together may have 4000."""

Ask = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
"""Asks the servers for their `/object_info`."""


class Addition:
    """Answers those who add workflows: the owner of the bot, and managers of a home guild."""

    def __init__(
        self,
        *,
        library: Library,
        ask: Ask,
        on_change: Callable[[], None],
        audit: Audit,
        authority: Authority,
        languages: Languages,
    ) -> None:
        self._library = library
        self._ask = ask
        self._on_change = on_change
        self._audit = audit
        self._authority = authority
        self._languages = languages
        self._reading = asyncio.Semaphore(2)

    async def propose(self, interaction: discord.Interaction, file: discord.Attachment, name: str | None) -> None:
        """Show the command that a file would be."""
        await self._authority.require_fleet(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            made, export = await self._drafted(file, name)
        except WorkflowImportError as error:
            reasons = lines([problem.reason for problem in error.problems])
            await say(interaction, _("{file}: {reasons}", file=shown(file.filename), reasons=reasons), self._languages)
        except BotError as error:
            reason = error.user_message
            await say(interaction, _("{file}: {reason}", file=shown(file.filename), reason=reason), self._languages)
        else:
            view = _Proposal(self, interaction, made, export)
            await interaction.edit_original_response(view=view, allowed_mentions=SILENT)

    async def add(self, interaction: discord.Interaction, made: Draft, export: bytes | None) -> Message:
        """Write the pair and take it over; return what to tell. Raises `BotError`."""
        await self._authority.require_fleet(interaction)
        folder = self._library.folder
        if folder is None:
            raise InputError(_("This bot has no folder to put workflows into."))
        await asyncio.to_thread(add, folder, made, export)
        log.info("workflow %s was added by %s", made.name, interaction.user.id)
        await self._audit.write(interaction, f"workflow {made.name} added")
        await self._library.reload()
        self._on_change()
        if self._library.get(made.name) is None:
            return _("/{name} was written, but cannot be used. `/workflow list` says why.", name=made.name)
        return _(
            "/{name} is there. Discord shows it in a moment; until then `/run` reaches it. Its manifest is {file}:"
            " read it through, names and limits are guesses.",
            name=made.name,
            file=f"{made.name}.toml",
        )

    def text(self, made: Draft, locale: str) -> str:
        """Return the proposal as people read it."""
        head = self._languages.render(_("This would be the command. Nothing is added before you press *Add*."), locale)
        body = cut("\n".join(described(made)).replace("`", "´"), MAX_TEXT - len(head))
        return f"{head}\n```\n{body}\n```"

    def render(self, message: Message, locale: str) -> str:
        """Return a message in somebody's language."""
        return self._languages.render(message, locale)

    async def _drafted(self, file: discord.Attachment, name: str | None) -> tuple[Draft, bytes | None]:
        if file.size > MAX_PICTURE:
            raise InputError(_("is too large: a file may have {limit} MiB.", limit=MAX_PICTURE // 2**20))
        if not file.size:
            raise InputError(_("is empty."))
        async with self._reading:
            data = await _download(file)
            answers = await self._ask()
            known = await asyncio.to_thread(Known.of, answers)
            made, export = await asyncio.to_thread(drafted, data, name or PurePath(file.filename).stem, known)
        if self._library.get(made.name) is not None:
            raise InputError(_("there is a workflow “{name}” already. Give this one another *name*.", name=made.name))
        return made, export


async def _download(file: discord.Attachment) -> bytes:
    try:
        async with asyncio.timeout(DOWNLOAD_LIMIT):
            return await file.read()
    except Exception as error:  # discord.py lets the faults of its HTTP library through
        raise InputError(_("Discord did not hand out the file. Please attach it again.")) from error


class _Proposal(discord.ui.LayoutView):
    """A drafted command, with *Add* and *Discard*."""

    def __init__(self, addition: Addition, origin: discord.Interaction, made: Draft, export: bytes | None) -> None:
        super().__init__(timeout=LIFETIME)
        self._addition = addition
        self._origin = origin
        self._made = made
        self._export = export
        self._is_pressed = False
        text = discord.ui.TextDisplay[Any](addition.text(made, origin.locale.value))
        self.add_item(discord.ui.Container(text, accent_colour=Tone.WAITING.value))
        keep = discord.ui.Button[Any](label=f"Add /{made.name}", style=discord.ButtonStyle.success)
        drop = discord.ui.Button[Any](label="Discard", style=discord.ButtonStyle.secondary)
        keep.callback, drop.callback = self._add, self._discard  # type: ignore[method-assign]  # discord.py's own way
        self.add_item(discord.ui.ActionRow(keep, drop))

    async def _add(self, interaction: discord.Interaction) -> None:
        if self._is_pressed:
            await interaction.response.defer()
            return
        self._is_pressed = True
        self.stop()
        await interaction.response.defer()
        try:
            told = await self._addition.add(interaction, self._made, self._export)
        except Exception as error:
            told = explain_error(error)
        await self._end(told)

    async def _discard(self, interaction: discord.Interaction) -> None:
        self.stop()
        await interaction.response.defer()
        await self._end(_("Discarded; nothing was added."))

    async def on_timeout(self) -> None:
        await self._end(_("This proposal is over, and nothing was added. Send the file again."))

    async def _end(self, last_word: Message) -> None:
        view = discord.ui.LayoutView(timeout=None)
        view.add_item(discord.ui.TextDisplay[Any](self._addition.render(last_word, self._origin.locale.value)))
        view.stop()
        try:
            await self._origin.edit_original_response(view=view, allowed_mentions=SILENT)
        except Exception:  # discord.py lets the faults of its HTTP library through
            log.warning("a proposal could not be ended", exc_info=True)
