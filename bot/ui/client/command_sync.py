"""Registers commands with Discord, only after a change: Discord allows 200 creations a day per guild.

A small file keeps one hash per scope of what was registered last. A scope that is no longer used (global once guilds
are configured, or a guild that was removed) is cleared once, so that no command is shown twice.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, cast

import discord
from discord import app_commands

log = logging.getLogger(__name__)

GLOBAL = "global"


def _is_scope(name: str) -> bool:
    return name == GLOBAL or name.isdecimal()


class CommandSync:
    def __init__(
        self, *, memory: Path, guild_ids: Sequence[int], hidden: Callable[[int], Collection[str]] = lambda _guild_id: ()
    ) -> None:
        """`hidden` returns the names of the commands that a guild does not get."""
        self._memory = memory
        self._guild_ids = tuple(guild_ids)
        self._hidden = hidden
        self._syncing = asyncio.Lock()

    async def sync(self, tree: app_commands.CommandTree[discord.Client]) -> tuple[list[str], list[str]]:
        """Register changes; return the scopes (guild ids, or "global") that were sent, and those that failed."""
        async with self._syncing:
            return await self._sync(tree)

    async def _sync(self, tree: app_commands.CommandTree[discord.Client]) -> tuple[list[str], list[str]]:
        known = await asyncio.to_thread(self._read)
        application = str(tree.client.application_id)
        before = known.get(application, {})
        after = dict(before)
        sent, failed = list[str](), list[str]()
        for scope, payload in self._wanted(tree, before).items():
            digest = hashlib.sha256(json.dumps(payload, sort_keys=True).encode()).hexdigest()
            if before.get(scope) == digest:
                continue
            if await self._send(tree, scope, payload):
                after[scope] = digest
                sent.append(scope)
            else:
                failed.append(scope)
        if after != before:
            await self._remember(known | {application: after})
        return sent, failed

    async def _remember(self, known: dict[str, dict[str, str]]) -> None:
        try:
            await asyncio.to_thread(self._write, known)
        except OSError as error:
            log.warning("cannot write %s (%s): commands will be sent again at the next start", self._memory, error)

    def _wanted(self, tree: app_commands.CommandTree[discord.Client], before: dict[str, str]) -> dict[str, list[Any]]:
        """Return the payload of each scope; empty for a scope that is no longer used."""
        payload = {command.name: command.to_dict(tree) for command in tree.get_commands()}
        left: dict[str, list[Any]] = {
            scope: [] for scope in before if scope not in map(str, self._guild_ids) and scope != GLOBAL
        }
        if not self._guild_ids:
            return left | {GLOBAL: list(payload.values())}
        if GLOBAL in before:
            left[GLOBAL] = []
        return left | {
            str(guild_id): [each for name, each in payload.items() if name not in self._hidden(guild_id)]
            for guild_id in self._guild_ids
        }

    async def _send(self, tree: app_commands.CommandTree[discord.Client], scope: str, payload: list[Any]) -> bool:
        http, application = tree.client.http, cast("int", tree.client.application_id)
        # tree.sync() can clear the global scope only by removing the commands from the tree
        try:
            if scope == GLOBAL:
                await http.bulk_upsert_global_commands(application, payload)
            else:
                await http.bulk_upsert_guild_commands(application, int(scope), payload)
        except Exception as error:  # discord.py lets errors of its HTTP library through
            log.error("cannot register commands for %s: %s", scope, error)  # noqa: TRY400
            return False
        log.info("registered %d commands for %s", len(payload), scope)
        return True

    def _read(self) -> dict[str, dict[str, str]]:
        try:
            known = json.loads(self._memory.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(known, dict):
            return {}
        entries = cast("dict[str, object]", known).items()
        return {
            name: {
                scope: str(digest) for scope, digest in cast("dict[str, object]", scopes).items() if _is_scope(scope)
            }
            for name, scopes in entries
            if isinstance(scopes, dict)
        }

    def _write(self, known: dict[str, dict[str, str]]) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        partial = self._memory.with_suffix(".part")
        partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
        partial.replace(self._memory)
