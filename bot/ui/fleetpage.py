"""The page of `/server list`: which ComfyUI servers there are, how they are, and what they cannot run.

Pure: records in, a Discord view out. Addresses are for those who rule the servers only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import discord
from discord.utils import escape_markdown

from bot.i18n import Message, _, n_
from bot.jobs.fleetrecords import ServerRecord
from bot.ui.answers import sheet
from bot.ui.i18n import Languages, cut
from bot.ui.page import Tone
from bot.workflow.needs import GIGABYTE, Lack
from bot.workflow.wording import joined

MAX_NAME = 40
MAX_ADDRESS = 120
LACKS_SHOWN = 3
"""Missing things that are named for one server."""
SIGNS = {"online": "🟢", "resting": "🟠", "offline": "🔴"}
DRAINED = "🔧"
UNKNOWN = "⚪"


@dataclass(frozen=True, slots=True)
class ServerView:
    """One server, and what is going on there."""

    record: ServerRecord
    jobs: int = 0
    """Requests that it has in hand."""
    unfit: int = 0
    """Requests in the line that it cannot run."""
    lacks: Sequence[Lack] = ()
    """What it would need for those."""


@dataclass(frozen=True, slots=True)
class FleetPage:
    """Renders the servers for one reader."""

    languages: Languages

    def view(self, servers: Sequence[ServerView], locale: str, *, addresses: bool) -> discord.ui.LayoutView:
        """Return the page; with addresses for those who may know them."""
        texts = [self._server(server, locale, addresses=addresses) for server in servers]
        nothing = _("There is no ComfyUI server yet. `/server add` brings one.")
        tone = Tone.RUNNING if texts else Tone.WAITING
        return sheet(self._said(_("ComfyUI servers"), locale), texts or [self._said(nothing, locale)], tone=tone)

    def _server(self, server: ServerView, locale: str, *, addresses: bool) -> str:
        record = server.record
        facts = [self._said(fact, locale) for fact in _facts(server)]
        lines = [" · ".join([f"{_sign(record)} **{escape_markdown(cut(record.name, MAX_NAME))}**", *facts])]
        if addresses:
            lines.append(f"-# `{cut(record.key, MAX_ADDRESS).replace('`', '')}`")
        if server.unfit:
            lines.append(self._said(_unfit(server), locale))
        return "\n".join(lines)

    def _said(self, message: Message, locale: str) -> str:
        return self.languages.render(message, locale)


def _sign(record: ServerRecord) -> str:
    return DRAINED if record.drained else SIGNS.get(record.health, UNKNOWN)


def _facts(server: ServerView) -> list[Message]:
    record = server.record
    facts = [_state(record)]
    if record.vram:
        facts.append(_("{size} GB", size=f"{record.vram / GIGABYTE:.0f}"))
    if record.version:
        facts.append(_("ComfyUI {version}", version=cut(record.version, MAX_NAME)))
    if server.jobs:
        facts.append(n_("one request there", "{count} requests there", server.jobs))
    return facts


def _state(record: ServerRecord) -> Message:
    if record.drained:
        return _("drained: it gets nothing new")
    match record.health:
        case "online":
            return _("online")
        case "resting":
            return _("resting after failures")
        case "offline":
            return _("offline")
        case _:
            return _("not reached yet")


def _unfit(server: ServerView) -> Message:
    if not server.lacks:
        return n_("It cannot run one request that waits.", "It cannot run {count} requests that wait.", server.unfit)
    return n_(
        "It cannot run one request that waits: {lacks} would be needed.",
        "It cannot run {count} requests that wait: {lacks} would be needed.",
        server.unfit,
        lacks=joined([lack.message for lack in server.lacks], LACKS_SHOWN),
    )
