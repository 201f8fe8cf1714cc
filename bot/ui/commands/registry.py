"""Keeps the slash commands in step with the available workflows, and registers changes with Discord.

A workflow has a command if its files are valid, a ComfyUI server meets its requirements, its manifest asks for one, and
Discord's limit allows it. Other available workflows are used through `/run`. Changes are sent in batches, and only by
the leading process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands

from bot.aio import wait_for_event
from bot.clock import Clock
from bot.i18n import Message
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.library import Library
from bot.workflow.run.availability import unmet
from bot.workflow.workflow import Workflow

log = logging.getLogger(__name__)

MAX_COMMANDS = 85
"""Discord allows 100 per guild; the rest is for the bot's own."""
SYNC_DELAY = 1.0
"""Seconds to wait for further changes before they are registered."""
OFF_AFTER = 60.0
"""Seconds for which no ComfyUI server meets a workflow's requirements before its command is removed: removing and
re-adding uses up Discord's daily limit, and members' lists change."""
AVAILABILITY_POLL_INTERVAL = 30.0
RETRY_AFTER = (5.0, 15.0, 60.0, 300.0)
"""Seconds before each retry of a failed registration."""

Tree = app_commands.CommandTree[discord.Client]
Build = Callable[[Workflow], app_commands.Command[Any, ..., Any]]


class CommandRegistry:
    """`servers` returns each ComfyUI server's definitions. `tell` registers commands and returns whether all succeeded;
    it is None in processes that register nothing.
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
        library.on_change(lambda _changes: self.wake())

    # ------------------------------------------------------------------ what is offered

    def reason_off(self, workflow: Workflow) -> Message | None:
        """Return why a valid workflow is unavailable; None if it is available."""
        return unmet(workflow.manifest.requires, self._servers())

    def has_command(self, name: str) -> bool:
        return name in self._built

    def offered(self) -> Mapping[str, Workflow]:
        """Return the workflows available now, by slash command or `/run`."""
        servers = self._servers()
        return {
            name: workflow
            for name, workflow in self._library.workflows.items()
            if unmet(workflow.manifest.requires, servers) is None
        }

    # ------------------------------------------------------------------ keeping up

    def wake(self) -> None:
        """Update soon, after a change of workflows, servers or guild rules."""
        self._is_told = False
        self._changed.set()

    def update(self) -> bool:
        """Update the command tree; return whether it changed."""
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
        """Run until cancelled."""
        failures = 0
        while True:
            wait = RETRY_AFTER[min(failures, len(RETRY_AFTER)) - 1] if failures else AVAILABILITY_POLL_INTERVAL
            await wait_for_event(self._clock, wait, self._changed)
            if self._changed.is_set():
                self._changed.clear()
                await self._clock.sleep(SYNC_DELAY)
                self._changed.clear()
            if self.update() or not self._is_told:
                self._is_told = await self._synced()
                failures = 0 if self._is_told else failures + 1

    async def _synced(self) -> bool:
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
            log.warning("too many slash commands; use /run for %s", ", ".join(left))
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
