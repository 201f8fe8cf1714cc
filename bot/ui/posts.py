"""Posts the follow-up messages of a result with the bot's own token, and finds them again after a crash.

With an enforced nonce, Discord returns the existing message if the same post is repeated within minutes. After that,
only the channel's history can tell. `bot.ui.parts` decides which way to use.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import discord

from bot.jobs.job import Place
from bot.ui.layout import SILENT, layout
from bot.ui.page import Page
from bot.ui.refusals import Meaning, RefusedError, asking_discord, reading_refusals
from bot.ui.route import EDIT_TIMEOUT, Attached, discord_files
from bot.ui.threads import awake

LOOK_TIMEOUT = 30.0
"""Seconds for reading the channel's history."""
LOOK_AT_MOST = 500
"""Messages searched after the first one."""


class ChannelPosts:
    """Every method may raise `RefusedError`."""

    def __init__(self, *, client: Callable[[], discord.Client]) -> None:
        self._client = client

    async def post(self, place: Place, page: Page, files: Sequence[Attached], nonce: str) -> int:
        """Post a message in reply to the job's own, and return its id; within minutes, only once for each nonce."""

        async def replying() -> int:
            return await self._post(place, page, files, nonce, reply=True)

        async def plain() -> int:
            return await self._post(place, page, files, nonce, reply=False)

        try:
            return await awake(self._client(), place.channel_id, replying)
        except RefusedError as refusal:
            if refusal.meaning is not Meaning.NO_REPLY:
                raise
            return await awake(self._client(), place.channel_id, plain)

    async def find(self, place: Place, prefixes: tuple[str, ...]) -> int | None:
        """Return the bot's message, after the first one, with a file whose name has one of these prefixes.

        None if there is certainly none. Raises `RefusedError` also if the history cannot be read.
        """
        seen = 0
        async with asking_discord(LOOK_TIMEOUT):
            async for message in self._since(place, place.message_id - 1):
                seen += 1
                is_ours = message.author.id == place.application_id
                if is_ours and any(name.startswith(prefixes) for name in _names(message)):
                    return message.id
        # Without Read Message History Discord returns nothing, not even the first message
        if seen in (0, LOOK_AT_MOST):
            raise RefusedError(Meaning.FORBIDDEN, "the channel's history is unreadable or too long")
        return None

    async def find_answer(self, place: Place) -> int | None:
        """Return the message that answered an interaction, by its metadata; None if none is found."""
        async with asking_discord(LOOK_TIMEOUT):
            async for message in self._since(place, place.interaction_id):
                asked = message.interaction_metadata
                if asked is not None and asked.id == place.interaction_id:
                    return message.id
        return None

    def _since(self, place: Place, message_id: int) -> AsyncIterator[discord.Message]:
        channel = self._client().get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        return channel.history(limit=LOOK_AT_MOST, after=discord.Object(message_id), oldest_first=True)

    async def _post(self, place: Place, page: Page, files: Sequence[Attached], nonce: str, *, reply: bool) -> int:
        channel = self._client().get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        with reading_refusals():
            view, attached = layout(page), discord_files(files)
        reference = discord.MessageReference(
            message_id=place.message_id,
            channel_id=place.channel_id,
            guild_id=place.guild_id,
            fail_if_not_exists=False,
        )
        async with asking_discord(EDIT_TIMEOUT):
            if reply:
                message = await channel.send(
                    view=view, files=attached, nonce=nonce, allowed_mentions=SILENT, reference=reference
                )
            else:
                message = await channel.send(view=view, files=attached, nonce=nonce, allowed_mentions=SILENT)
        return message.id


def _names(message: discord.Message) -> Iterator[str]:
    """Yield the names of all files of a message, including those in components, which are not in its attachments."""
    for attachment in message.attachments:
        yield attachment.filename
    for component in message.components:
        children = component.children if isinstance(component, discord.Container) else [component]
        for child in children:
            if isinstance(child, discord.MediaGalleryComponent):
                yield from (_file_name(item.media.url) for item in child.items)
            elif isinstance(child, discord.FileComponent):
                yield child.name or _file_name(child.media.url)


def _file_name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
