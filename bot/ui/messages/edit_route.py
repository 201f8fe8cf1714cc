"""The two ways to edit a job's message: with the interaction's token, or with the bot's own, by channel and message id.

The interaction's token works for 15 minutes (we stop at 14 where there is another way); the bot's own works where the
bot is a member and the message is not ephemeral. Archived threads are reopened. `bot.ui.messages.discord_errors`
classifies errors; callers decide what to do about them.
"""

import io
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import discord
from cachetools import LRUCache

from bot.clock import Clock
from bot.jobs.job import MessageLocation
from bot.ui.messages.discord_errors import FINAL_STATUSES, DiscordError, ErrorKind, ask_discord
from bot.ui.page import SILENT, Page, layout

log = logging.getLogger(__name__)

T = TypeVar("T")

TOKEN_MARGIN = 60.0
"""Seconds before a token expires at which it is no longer used, where there is another way."""
LAST_TOKEN_MARGIN = 5.0
"""The same where there is none."""
EDIT_TIMEOUT = 60.0
"""Seconds for one edit with its files, including discord.py's own retries."""
GET_TIMEOUT = 20.0
REOPEN_TIMEOUT = 20.0
"""Seconds for fetching and reopening a thread."""

ORIGINAL = cast("int", "@original")
"""Discord's id for the message that answered the interaction; discord.py passes it through unchanged."""

MAX_DEAD = 1000
"""Refused tokens, and as many deleted messages, that are not tried again."""
GONE = {ErrorKind.MESSAGE_GONE, ErrorKind.PLACE_GONE}


@dataclass(frozen=True, slots=True)
class Attached:
    filename: str
    data: bytes


class MessageRoute:
    """Edits messages of jobs by whichever way works. Every method may raise `DiscordError`."""

    def __init__(self, *, client: Callable[[], discord.Client], clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._dead_tokens: LRUCache[str, None] = LRUCache(MAX_DEAD)
        self._gone_messages: LRUCache[int, None] = LRUCache(MAX_DEAD)

    async def edit(self, place: MessageLocation, page: Page, files: Sequence[Attached] = ()) -> None:
        """Make the message show `page` with exactly `files`."""
        if place.message_id in self._gone_messages:
            raise DiscordError(ErrorKind.MESSAGE_GONE, "known to be deleted")
        if self.has_token(place) and await self._by_token(place, page, files):
            return
        if not place.bot_can_edit:
            raise DiscordError(
                ErrorKind.TOKEN_DEAD, "the token has expired, and the bot itself cannot edit the message"
            )
        await self._by_bot(place, page, files)

    def has_token(self, place: MessageLocation) -> bool:
        """Return whether the interaction's token is still worth trying."""
        margin = TOKEN_MARGIN if place.bot_can_edit else LAST_TOKEN_MARGIN
        return place.token not in self._dead_tokens and self._clock.now() < place.token_expires - margin

    async def answer(self, place: MessageLocation) -> int | None:
        """Return the id of the message that answered the interaction; None if there is none, or it was deleted.

        Raises `DiscordError` (TOKEN_DEAD) if the token has expired.
        """
        try:
            async with ask_discord(GET_TIMEOUT):
                return (await self._webhook(place).fetch_message(ORIGINAL)).id
        except DiscordError as error:
            if error.status == 404:
                return None
            raise

    async def _by_token(self, place: MessageLocation, page: Page, files: Sequence[Attached]) -> bool:
        """Edit with the interaction's token; return False if the caller should try the other way."""
        try:
            async with ask_discord(EDIT_TIMEOUT):
                await self._webhook(place).edit_message(
                    ORIGINAL, view=layout(page), attachments=discord_files(files), allowed_mentions=SILENT
                )
        except DiscordError as error:
            if error.status in FINAL_STATUSES:
                self._dead_tokens[place.token] = None
                log.info("token of interaction %s refused: %s", place.interaction_id, error)
            elif error.kind is not ErrorKind.BUG:
                raise
            if place.bot_can_edit:  # the other way may still work
                return False
            self._note_gone(place, error)
            raise
        return True

    async def _by_bot(self, place: MessageLocation, page: Page, files: Sequence[Attached]) -> None:
        channel = self._client().get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        message = channel.get_partial_message(place.message_id)

        async def edit() -> None:
            async with ask_discord(EDIT_TIMEOUT):
                await message.edit(view=layout(page), attachments=discord_files(files), allowed_mentions=SILENT)

        try:
            await in_open_thread(self._client(), place.channel_id, edit)
        except DiscordError as error:
            self._note_gone(place, error)
            raise

    def _note_gone(self, place: MessageLocation, error: DiscordError) -> None:
        if error.kind in GONE and place.message_id:
            self._gone_messages[place.message_id] = None

    def _webhook(self, place: MessageLocation) -> discord.Webhook:
        return discord.Webhook.partial(place.application_id, place.token, client=self._client())


def discord_files(files: Sequence[Attached]) -> list[discord.File]:
    """Wrap files for discord.py; each can be sent only once."""
    return [discord.File(io.BytesIO(file.data), filename=file.filename) for file in files]


async def in_open_thread(client: discord.Client, channel_id: int, act: Callable[[], Awaitable[T]]) -> T:
    """Run `act`; if its channel is an archived thread, reopen that and run it again. Raises `DiscordError`."""
    try:
        return await act()
    except DiscordError as error:
        if error.kind is not ErrorKind.ARCHIVED:
            raise
    await _reopen(client, channel_id)
    try:
        return await act()
    except DiscordError as error:
        if error.kind is ErrorKind.ARCHIVED:
            raise _locked() from error
        raise


async def _reopen(client: discord.Client, channel_id: int) -> None:
    try:
        async with ask_discord(REOPEN_TIMEOUT):
            channel = await client.fetch_channel(channel_id)
            if not isinstance(channel, discord.Thread):
                raise _locked()
            await channel.edit(archived=False)
            log.info("reopened thread %s to show a result", channel_id)
    except DiscordError as error:
        # Reopening a locked thread needs Manage Threads
        if error.status in FINAL_STATUSES and error.kind is not ErrorKind.PLACE_GONE:
            raise _locked() from error
        raise


def _locked() -> DiscordError:
    return DiscordError(ErrorKind.LOCKED, "the thread is locked")
