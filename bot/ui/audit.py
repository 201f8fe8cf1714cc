"""Writes down who changed what for others, in the store's event log."""

import re
from typing import Protocol

import discord

from bot.clock import Clock

MAX_WHAT = 500


class Events(Protocol):
    """The part of `bot.jobs.records.JobStore` that is needed here."""

    async def record(self, what: str, *, job_id: str = "", actor: str = "", now: float) -> None:
        """Write an event into the log."""
        ...


class Audit:
    """Knows who did it and when."""

    def __init__(self, *, store: Events, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def write(self, interaction: discord.Interaction, what: str) -> None:
        """Write down what somebody did, on one line. May raise `StoreDownError`."""
        line = re.sub(r"\s+", " ", what).strip()[:MAX_WHAT]
        where = "" if interaction.guild_id is None else f" (in {interaction.guild_id})"
        await self._store.record(f"{line}{where}", actor=str(interaction.user.id), now=self._clock.now())
