"""Keeps the slash commands of workflows equal to what can be used: builds them, and lets Discord know of changes.

A workflow has a command when its files are sound, when a server meets what it requires, when its author wants one, and
while there is room. The rest is reached by `/run`, or says why it is off. Discord is told in bursts, and only by the
process that leads.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands

from bot.clock import Clock
from bot.i18n import Message
from bot.jobs.naps import nap
from bot.workflow.availability import unmet
from bot.workflow.definitions import Definitions
from bot.workflow.library import Library
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

MAX_COMMANDS = 85
"""Discord takes 100 in a guild; some are left to the bot's own."""
SETTLE = 1.0
"""Seconds in which further changes are waited for, before Discord is told."""
OFF_AFTER = 60.0
"""Seconds for which no server must have what a workflow requires, before its command goes: commands that come and go
use up what Discord allows in a day, and lose their place in everybody's list."""
LOOK_EVERY = 30.0
RETRY_AFTER = (5.0, 15.0, 60.0, 300.0)
"""Seconds before Discord is told again what it did not take."""

Tree = app_commands.CommandTree[discord.Client]
Build = Callable[[Workflow], app_commands.Command[Any, ..., Any]]


class Registrar:
    """The commands of workflows. `servers` returns what each server told; `tell` brings Discord up to date.

    `tell` returns whether Discord took everything; None: this process tells Discord nothing.
    """

    def __init__(
        self,
        *,
        tree: Tree,
        library: Library,
        servers: Callable[[], Sequence[Definitions]],
        build: Build,
        clock: Clock,
        tell: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        self._tree = tree
        self._library = library
        self._servers = servers
        self._build = build
        self._clock = clock
        self._tell = tell
        self._built: dict[str, str] = {}
        self._off_since: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._is_told = False
        library.listen(lambda _changes: self.wake())

    # ------------------------------------------------------------------ what is offered

    def reason_off(self, workflow: Workflow) -> Message | None:
        """Say why a sound workflow cannot be used at all now; None when it can."""
        return unmet(workflow.manifest.requires, self._servers())

    def has_command(self, name: str) -> bool:
        """Whether a workflow has a slash command of its own now."""
        return name in self._built

    def offered(self) -> Mapping[str, Workflow]:
        """Return the workflows that can be used now, by slash command or by `/run`."""
        servers = self._servers()
        return {
            name: workflow
            for name, workflow in self._library.workflows.items()
            if unmet(workflow.manifest.requires, servers) is None
        }

    # ------------------------------------------------------------------ keeping up

    def wake(self) -> None:
        """Look again soon: workflows, servers or switches have changed."""
        self._is_told = False
        self._changed.set()

    def update(self) -> bool:
        """Bring the tree up to date; return whether it changed."""
        wanted = self._wanted()
        gone = [name for name in self._built if name not in wanted]
        for name in gone:
            del self._built[name]
            self._tree.remove_command(name)
        news = [flow for name, flow in wanted.items() if self._built.get(name) != _mark(flow)]
        for workflow in news:
            self._tree.add_command(self._build(workflow), override=True)
            self._built[workflow.name] = _mark(workflow)
        return bool(gone or news)

    async def run(self) -> None:
        """Keep up for ever; the owner cancels this."""
        failures = 0
        while True:
            wait = RETRY_AFTER[min(failures, len(RETRY_AFTER)) - 1] if failures else LOOK_EVERY
            await nap(self._clock, wait, self._changed)
            if self._changed.is_set():
                self._changed.clear()
                await self._clock.sleep(SETTLE)
                self._changed.clear()
            if self.update() or not self._is_told:
                self._is_told = await self._told()
                failures = 0 if self._is_told else failures + 1

    async def _told(self) -> bool:
        return True if self._tell is None else await self._tell()

    def _wanted(self) -> dict[str, Workflow]:
        servers, now = self._servers(), self._clock.monotonic()
        wanted: dict[str, Workflow] = {}
        left: list[str] = []
        for name, workflow in self._library.workflows.items():
            if not workflow.manifest.slash or self._is_off(workflow, servers, now):
                continue
            if len(wanted) < MAX_COMMANDS:
                wanted[name] = workflow
            else:
                left.append(name)
        if left:
            log.warning("no room for the commands of %s: /run reaches them", ", ".join(left))
        return wanted

    def _is_off(self, workflow: Workflow, servers: Sequence[Definitions], now: float) -> bool:
        if unmet(workflow.manifest.requires, servers) is None:
            self._off_since.pop(workflow.name, None)
            return False
        if workflow.name not in self._built:
            return True
        return now - self._off_since.setdefault(workflow.name, now) >= OFF_AFTER


def _mark(workflow: Workflow) -> str:
    return workflow.version or str(id(workflow))
