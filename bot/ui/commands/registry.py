"""Keeps the slash commands in step with the available workflows, and registers changes with Discord.

A workflow has a command if its files are valid, a ComfyUI server meets its requirements, its manifest asks for one, and
Discord's limit allows it. Other available workflows are used through `/run`. Changes are sent in batches, and only by
the leading process.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import discord
from discord import app_commands

from bot.aio import wait_for_event
from bot.clock import Clock
from bot.ui.commands.lookup import WorkflowLookup
from bot.workflow.library.library import Library
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


class CommandRegistry:
    """`build` makes a workflow's command. `sync` registers all with Discord and returns whether that succeeded; it is
    None in processes that register nothing.
    """

    def __init__(
        self,
        *,
        tree: app_commands.CommandTree[discord.Client],
        library: Library,
        lookup: WorkflowLookup,
        build: Callable[[Workflow], app_commands.Command[Any, ..., Any]],
        clock: Clock,
        sync: Callable[[], Awaitable[bool]] | None,
    ) -> None:
        self._tree = tree
        self._library = library
        self._lookup = lookup
        self._build = build
        self._clock = clock
        self._sync = sync
        self._built: dict[str, str] = {}
        """Command name → the version of its workflow."""
        self._off_since: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._is_synced = False
        library.on_change(lambda _changes: self.wake())

    def wake(self) -> None:
        """Update soon, after a change of workflows, servers or guild rules."""
        self._is_synced = False
        self._changed.set()

    def update(self) -> bool:
        """Update the command tree; return whether it changed."""
        wanted = {workflow.name: workflow for workflow in self._wanted()}
        gone = [name for name in self._built if name not in wanted]
        for name in gone:
            del self._built[name]
            self._tree.remove_command(name)
        changed = [workflow for name, workflow in wanted.items() if self._built.get(name) != _version(workflow)]
        for workflow in changed:
            self._tree.add_command(self._build(workflow), override=True)
            self._built[workflow.name] = _version(workflow)
        return bool(gone or changed)

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
            if self.update() or not self._is_synced:
                self._is_synced = self._sync is None or await self._sync()
                failures = 0 if self._is_synced else failures + 1

    def _wanted(self) -> Sequence[Workflow]:
        available, now = self._lookup.offered(), self._clock.monotonic()
        wanted = [
            workflow
            for workflow in self._library.workflows.values()
            if workflow.manifest.slash and not self._is_off(workflow, available, now)
        ]
        if len(wanted) > MAX_COMMANDS:
            left = ", ".join(workflow.name for workflow in wanted[MAX_COMMANDS:])
            log.warning("too many slash commands; use /run for %s", left)
        return wanted[:MAX_COMMANDS]

    def _is_off(self, workflow: Workflow, available: Collection[str], now: float) -> bool:
        if workflow.name in available:
            self._off_since.pop(workflow.name, None)
            return False
        if workflow.name not in self._built:
            return True
        return now - self._off_since.setdefault(workflow.name, now) >= OFF_AFTER


def _version(workflow: Workflow) -> str:
    return workflow.version or str(id(workflow))
