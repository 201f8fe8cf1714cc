"""The page of `/server list`: the ComfyUI servers, their state and what they cannot run.

Pure: records in, a Discord view out. Only bot admins see addresses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import discord
from discord.utils import escape_markdown

from bot.i18n import Message, _, n_
from bot.jobs.server_registry import ServerRecord
from bot.ui.locale import Languages, cut
from bot.ui.page import Tone
from bot.ui.replies import text_page
from bot.workflow.run.needs import GIGABYTE, MissingResource
from bot.workflow.text_format import joined

MAX_NAME = 40
MAX_ADDRESS = 120
MAX_MISSING = 3
"""Missing nodes or models named per server."""
SIGNS = {"online": "🟢", "resting": "🟠", "offline": "🔴"}
DRAINED = "🔧"
UNKNOWN = "⚪"


@dataclass(frozen=True, slots=True)
class ServerView:
    record: ServerRecord
    jobs: int = 0
    """Jobs running there."""
    incompatible_jobs: int = 0
    """Waiting jobs that it cannot run."""
    missing: Sequence[MissingResource] = ()
    """What it lacks for those."""


@dataclass(frozen=True, slots=True)
class ServersPage:
    languages: Languages

    def view(self, servers: Sequence[ServerView], locale: str, *, addresses: bool) -> discord.ui.LayoutView:
        """Return the page; `addresses` says whether the reader may see them."""
        texts = [self._server(server, locale, addresses=addresses) for server in servers]
        nothing = _("No ComfyUI servers yet. Add one with `/server add`.")
        tone = Tone.RUNNING if texts else Tone.WAITING
        return text_page(self._said(_("ComfyUI servers"), locale), texts or [self._said(nothing, locale)], tone=tone)

    def _server(self, server: ServerView, locale: str, *, addresses: bool) -> str:
        record = server.record
        details = [self._said(detail, locale) for detail in _details(server)]
        lines = [" · ".join([f"{_sign(record)} **{escape_markdown(cut(record.name, MAX_NAME))}**", *details])]
        if addresses:
            lines.append(f"-# `{cut(record.key, MAX_ADDRESS).replace('`', '')}`")
        if server.incompatible_jobs:
            lines.append(self._said(_incompatible(server), locale))
        return "\n".join(lines)

    def _said(self, message: Message, locale: str) -> str:
        return self.languages.render(message, locale)


def _sign(record: ServerRecord) -> str:
    return DRAINED if record.drained else SIGNS.get(record.health, UNKNOWN)


def _details(server: ServerView) -> list[Message]:
    record = server.record
    details = [_state(record)]
    if record.vram:
        details.append(_("{size} GB", size=f"{record.vram / GIGABYTE:.0f}"))
    if record.version:
        details.append(_("ComfyUI {version}", version=cut(record.version, MAX_NAME)))
    if server.jobs:
        details.append(n_("1 active request", "{count} active requests", server.jobs))
    return details


def _state(record: ServerRecord) -> Message:
    if record.drained:
        return _("drained (no new requests)")
    match record.health:
        case "online":
            return _("online")
        case "resting":
            return _("cooling down after errors")
        case "offline":
            return _("offline")
        case _:
            return _("connecting…")


def _incompatible(server: ServerView) -> Message:
    if not server.missing:
        return n_(
            "1 waiting request can't run here.", "{count} waiting requests can't run here.", server.incompatible_jobs
        )
    return n_(
        "1 waiting request can't run here (missing: {lacks}).",
        "{count} waiting requests can't run here (missing: {lacks}).",
        server.incompatible_jobs,
        lacks=joined([lack.message for lack in server.missing], MAX_MISSING),
    )
