"""Records administrative changes in the store's event log."""

import re

import discord

from bot.clock import Clock
from bot.jobs.repository import JobRepository

MAX_LENGTH = 500
"""Characters."""


class AuditLog:
    def __init__(self, *, store: JobRepository, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def write(self, interaction: discord.Interaction, what: str) -> None:
        """Record what the user did, in one shortened line. May raise `DatabaseUnavailableError`."""
        line = re.sub(r"\s+", " ", what).strip()[:MAX_LENGTH]
        where = "" if interaction.guild_id is None else f" (in {interaction.guild_id})"
        await self._store.record_event(f"{line}{where}", actor=str(interaction.user.id), now=self._clock.now())
