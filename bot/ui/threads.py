"""Archived threads: Discord allows no changes in them until they are reopened, which the bot may do unless locked."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import discord

from bot.ui.refusals import FINAL_STATUSES, Meaning, RefusedError, asking_discord

log = logging.getLogger(__name__)

T = TypeVar("T")

WAKE_TIMEOUT = 20.0
"""Seconds for fetching and reopening a thread."""


async def awake(client: discord.Client, channel_id: int, act: Callable[[], Awaitable[T]]) -> T:
    """Run `act`; if its channel is an archived thread, reopen that and run it again. Raises `RefusedError`."""
    try:
        return await act()
    except RefusedError as refusal:
        if refusal.meaning is not Meaning.ARCHIVED:
            raise
    await _wake(client, channel_id)
    try:
        return await act()
    except RefusedError as refusal:
        raise _locked() if refusal.meaning is Meaning.ARCHIVED else refusal from refusal


async def _wake(client: discord.Client, channel_id: int) -> None:
    try:
        async with asking_discord(WAKE_TIMEOUT):
            channel = await client.fetch_channel(channel_id)
            if not isinstance(channel, discord.Thread):
                raise _locked()
            await channel.edit(archived=False)
            log.info("reopened thread %s to show a result", channel_id)
    except RefusedError as refusal:
        # Reopening a locked thread needs Manage Threads
        if refusal.status in FINAL_STATUSES and refusal.meaning is not Meaning.PLACE_GONE:
            raise _locked() from refusal
        raise


def _locked() -> RefusedError:
    return RefusedError(Meaning.LOCKED, "the thread is locked")
