"""Records administrative changes in the store's event log."""

import re
from typing import Protocol

import discord

from bot.clock import Clock

MAX_WHAT = 500


class Events(Protocol):
    async def record_event(self, what: str, *, job_id: str = "", actor: str = "", now: float) -> None: ...


class AuditLog:
    def __init__(self, *, store: Events, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def write(self, interaction: discord.Interaction, what: str) -> None:
        """Record what the user did, on one line of at most `MAX_WHAT` characters. May raise `DatabaseUnavailableError`."""
        line = re.sub(r"\s+", " ", what).strip()[:MAX_WHAT]
        where = "" if interaction.guild_id is None else f" (in {interaction.guild_id})"
        await self._store.record_event(f"{line}{where}", actor=str(interaction.user.id), now=self._clock.now())
