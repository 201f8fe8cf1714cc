"""`/workflow add`: drafts a command from an attached file, shows a preview and adds it on request.

Nothing is written before *Add*. The preview expires after ten minutes; only its requester can press its buttons.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import discord

from bot.errors import BotError, InputError
from bot.i18n import Message, _
from bot.ui.access_checks import AccessChecks
from bot.ui.audit_log import AuditLog
from bot.ui.client.error_handler import explain_error
from bot.ui.locale import Languages, cut
from bot.ui.page import SILENT, Tone
from bot.ui.replies import reply_text
from bot.workflow.importer.add import KnownNodes, add, described, draft_file
from bot.workflow.importer.any_file import MAX_PICTURE
from bot.workflow.importer.draft import Draft
from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.library.library import Library
from bot.workflow.text_format import lines, shown

log = logging.getLogger(__name__)

PREVIEW_TIMEOUT = 600.0
"""Seconds until a preview expires."""
DOWNLOAD_TIMEOUT = 60.0
MAX_TEXT = 3600
"""Characters of a preview; Discord allows 4000 for all texts of a message together."""


class AddWorkflow:
    """Adds workflows for bot admins. `object_infos` fetches the `/object_info` of the servers."""

    def __init__(
        self,
        *,
        library: Library,
        object_infos: Callable[[], Awaitable[Sequence[Mapping[str, Any]]]],
        on_change: Callable[[], None],
        audit: AuditLog,
        access: AccessChecks,
        languages: Languages,
    ) -> None:
        self._library = library
        self._object_infos = object_infos
        self._on_change = on_change
        self._audit = audit
        self._access = access
        self._languages = languages
        self._reading = asyncio.Semaphore(2)

    async def preview(self, interaction: discord.Interaction, file: discord.Attachment, name: str | None) -> None:
        """Show a preview of the command that the file would become."""
        await self._access.require_bot_admin(interaction)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            draft, export = await self._draft(file, name)
        except WorkflowImportError as error:
            reasons = lines([problem.reason for problem in error.problems])
            message = _("{file}: {reasons}", file=shown(file.filename), reasons=reasons)
            await reply_text(interaction, message, self._languages)
        except BotError as error:
            message = _("{file}: {reason}", file=shown(file.filename), reason=error.user_message)
            await reply_text(interaction, message, self._languages)
        else:
            view = _Preview(self, self._languages, interaction, draft, export)
            await interaction.edit_original_response(view=view, allowed_mentions=SILENT)

    async def add(self, interaction: discord.Interaction, draft: Draft, export: bytes | None) -> Message:
        """Write the manifest and graph, load them and return the answer. Raises `BotError`."""
        await self._access.require_bot_admin(interaction)
        folder = self._library.folder
        if folder is None:
            raise InputError(_("No writable workflow folder is configured."))
        await asyncio.to_thread(add, folder, draft, export)
        log.info("workflow %s added by %s", draft.name, interaction.user.id)
        await self._audit.write(interaction, f"workflow {draft.name} added")
        await self._library.reload()
        self._on_change()
        if self._library.get(draft.name) is None:
            return _("I saved /{name}, but it can't be used. `/workflow list` shows why.", name=draft.name)
        return _(
            "Added **/{name}**. It appears in a moment (or use `/run`). Names and limits were guessed – review {file}.",
            name=draft.name,
            file=f"{draft.name}.toml",
        )

    async def _draft(self, file: discord.Attachment, name: str | None) -> tuple[Draft, bytes | None]:
        if file.size > MAX_PICTURE:
            raise InputError(_("The file is too large (limit: {limit} MiB).", limit=MAX_PICTURE // 2**20))
        if not file.size:
            raise InputError(_("The file is empty."))
        async with self._reading:
            data = await _download(file)
            answers = await self._object_infos()
            known = await asyncio.to_thread(KnownNodes.of, answers)
            draft, export = await asyncio.to_thread(draft_file, data, name or PurePath(file.filename).stem, known)
        if self._library.get(draft.name) is not None:
            raise InputError(_("A workflow named “{name}” already exists. Choose another **name**.", name=draft.name))
        return draft, export


async def _download(file: discord.Attachment) -> bytes:
    try:
        async with asyncio.timeout(DOWNLOAD_TIMEOUT):
            return await file.read()
    except Exception as error:  # discord.py does not wrap the errors of its HTTP library
        raise InputError(_("I couldn't download the file from Discord. Please attach it again.")) from error


class _Preview(discord.ui.LayoutView):
    def __init__(
        self,
        adding: AddWorkflow,
        languages: Languages,
        origin: discord.Interaction,
        draft: Draft,
        export: bytes | None,
    ) -> None:
        super().__init__(timeout=PREVIEW_TIMEOUT)
        self._adding = adding
        self._languages = languages
        self._origin = origin
        self._draft = draft
        self._export = export
        self._is_pressed = False
        text = discord.ui.TextDisplay[Any](self._text())
        self.add_item(discord.ui.Container(text, accent_colour=Tone.WAITING.value))
        add = discord.ui.Button[Any](label=f"Add /{draft.name}", style=discord.ButtonStyle.success)
        discard = discord.ui.Button[Any](label="Discard", style=discord.ButtonStyle.secondary)
        add.callback, discard.callback = self._add, self._discard  # type: ignore[method-assign]  # discord.py's own way
        self.add_item(discord.ui.ActionRow(add, discard))

    async def _add(self, interaction: discord.Interaction) -> None:
        if self._is_pressed:
            await interaction.response.defer()
            return
        self._is_pressed = True
        self.stop()
        await interaction.response.defer()
        try:
            message = await self._adding.add(interaction, self._draft, self._export)
        except Exception as error:
            message = explain_error(error)
        await self._close(message)

    async def _discard(self, interaction: discord.Interaction) -> None:
        self.stop()
        await interaction.response.defer()
        await self._close(_("Discarded."))

    async def on_timeout(self) -> None:
        await self._close(_("This preview has expired. Please upload the file again."))

    def _text(self) -> str:
        head = self._languages.render(
            _("Preview – nothing is saved until you press **Add**."), self._origin.locale.value
        )
        body = cut("\n".join(described(self._draft)).replace("`", "´"), MAX_TEXT - len(head))
        return f"{head}\n```\n{body}\n```"

    async def _close(self, message: Message) -> None:
        view = discord.ui.LayoutView(timeout=None)
        view.add_item(discord.ui.TextDisplay[Any](self._languages.render(message, self._origin.locale.value)))
        view.stop()
        try:
            await self._origin.edit_original_response(view=view, allowed_mentions=SILENT)
        except Exception:  # discord.py does not wrap the errors of its HTTP library
            log.warning("could not close a workflow preview", exc_info=True)
