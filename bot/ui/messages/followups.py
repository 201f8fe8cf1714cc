"""Posts the follow-up messages of a result with the bot's own token, and finds them again after a crash.

With an enforced nonce, Discord returns the existing message if the same post is repeated within minutes. After that,
only the channel's history can tell.
"""

import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import discord

from bot.clock import Clock
from bot.jobs.job import FollowupMessage, Job, MessageLocation
from bot.jobs.repository import JobRepository
from bot.ui.messages.direct_messages import DirectMessages
from bot.ui.messages.discord_errors import DiscordError, ErrorKind, ask_discord, translate_errors
from bot.ui.messages.edit_route import EDIT_TIMEOUT, Attached, discord_files, in_open_thread
from bot.ui.messages.final_edit import RETRY_PAUSES
from bot.ui.messages.packing import Batch, Packer, stem
from bot.ui.messages.render import Renderer
from bot.ui.page import SILENT, Page, layout

log = logging.getLogger(__name__)

NONCE_TRUSTED = 120.0
"""Seconds for which Discord surely remembers a nonce; its documentation says "a few minutes"."""
HISTORY_TIMEOUT = 30.0
"""Seconds for reading the channel's history."""
HISTORY_LIMIT = 500
"""Messages searched after the first one."""


class ChannelMessages:
    """Every method may raise `DiscordError`."""

    def __init__(self, *, client: Callable[[], discord.Client]) -> None:
        self._client = client

    async def post(self, place: MessageLocation, page: Page, files: Sequence[Attached], nonce: str) -> int:
        """Post a message in reply to the job's own, and return its id; within minutes, only once for each nonce."""

        async def post(reply: bool) -> int:
            return await in_open_thread(
                self._client(), place.channel_id, lambda: self._post(place, page, files, nonce, reply=reply)
            )

        try:
            return await post(reply=True)
        except DiscordError as error:
            if error.kind is not ErrorKind.NO_REPLY:
                raise
            return await post(reply=False)

    async def find(self, place: MessageLocation, prefixes: tuple[str, ...]) -> int | None:
        """Return the bot's message, after the first one, with a file whose name has one of these prefixes.

        None if there is certainly none. Raises `DiscordError` also if the history cannot be read.
        """
        seen = 0
        async with ask_discord(HISTORY_TIMEOUT):
            async for message in self._since(place, place.message_id - 1):
                seen += 1
                is_ours = message.author.id == place.application_id
                if is_ours and any(name.startswith(prefixes) for name in _names(message)):
                    return message.id
        # Without Read Message History Discord returns nothing, not even the first message
        if seen in (0, HISTORY_LIMIT):
            raise DiscordError(ErrorKind.FORBIDDEN, "the channel's history is unreadable or too long")
        return None

    async def find_answer(self, place: MessageLocation) -> int | None:
        """Return the message that answered an interaction, by its metadata; None if none is found."""
        async with ask_discord(HISTORY_TIMEOUT):
            async for message in self._since(place, place.interaction_id):
                asked = message.interaction_metadata
                if asked is not None and asked.id == place.interaction_id:
                    return message.id
        return None

    def _since(self, place: MessageLocation, message_id: int) -> AsyncIterator[discord.Message]:
        channel = self._client().get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        return channel.history(limit=HISTORY_LIMIT, after=discord.Object(message_id), oldest_first=True)

    async def _post(
        self, place: MessageLocation, page: Page, files: Sequence[Attached], nonce: str, *, reply: bool
    ) -> int:
        channel = self._client().get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        with translate_errors():
            view, attached = layout(page), discord_files(files)
        reference = discord.MessageReference(
            message_id=place.message_id,
            channel_id=place.channel_id,
            guild_id=place.guild_id,
            fail_if_not_exists=False,
        )
        async with ask_discord(EDIT_TIMEOUT):
            if reply:
                message = await channel.send(
                    view=view, files=attached, nonce=nonce, allowed_mentions=SILENT, reference=reference
                )
            else:
                message = await channel.send(view=view, files=attached, nonce=nonce, allowed_mentions=SILENT)
        return message.id


class FollowupPoster:
    def __init__(
        self,
        *,
        channel_messages: ChannelMessages,
        packer: Packer,
        renderer: Renderer,
        direct_messages: DirectMessages,
        store: JobRepository,
        clock: Clock,
    ) -> None:
        self._channel_messages = channel_messages
        self._packer = packer
        self._renderer = renderer
        self._direct_messages = direct_messages
        self._store = store
        self._clock = clock

    async def post(self, job: Job, batches: Sequence[Batch]) -> tuple[Job, int]:
        """Post the batches not posted yet; return the newest version of the job and the number of files left out.

        Raises `DiscordError` if the caller should retry later, and `StaleJobError`.
        """
        left = 0
        for number, batch in enumerate(batches, start=1):
            try:
                job = await self._post_once(job, number, batch, total=len(batches) + 1)
            except DiscordError as error:
                if error.kind in (ErrorKind.TRANSIENT, ErrorKind.TOKEN_DEAD):
                    raise
                log.warning("job %s: skipped message %d of its result: %s", job.id, number + 1, error)
                if error.kind is ErrorKind.FORBIDDEN:
                    await self._direct_messages.ask_for_permission(job)
                left += len(batch)
        return job, left

    async def _post_once(self, job: Job, number: int, batch: Batch, total: int) -> Job:
        for pause in (*RETRY_PAUSES, None):
            job, is_posted = await self._find_posted(job, number, batch)
            if is_posted:
                return job
            try:
                message_id = await self._send(job, number, batch, total)
            except DiscordError as error:
                if error.kind is not ErrorKind.TRANSIENT or pause is None:
                    raise
                await self._clock.sleep(pause)
            else:
                return await self._save(job, number, FollowupMessage(message_id, self._clock.now()))
        return job

    async def _find_posted(self, job: Job, number: int, batch: Batch) -> tuple[Job, bool]:
        """Return the job and whether this message is posted; if not, the job now says that it may soon be."""
        part = job.parts.get(number)
        if part is not None and part.message_id:
            return job, True
        now = self._clock.now()
        if part is not None and now - part.at < NONCE_TRUSTED:
            return job, False
        names = tuple(f"{stem(job, file.number)}." for file in batch)
        if part is not None and (found := await self._channel_messages.find(job.place, names)):
            return await self._save(job, number, FollowupMessage(found, part.at)), True
        return await self._save(job, number, FollowupMessage(0, now)), False

    async def _send(self, job: Job, number: int, batch: Batch, total: int) -> int:
        """Send a message and return its id."""

        async def send(batch: Batch) -> int:
            files = [file.attached for file in batch]
            page = self._renderer.more(job, [file.filename for file in files], number + 1, total)
            return await self._channel_messages.post(job.place, page, files, _nonce(job, number))

        message_id, _batch = await self._packer.send(job, batch, send)
        return message_id

    async def _save(self, job: Job, number: int, part: FollowupMessage) -> Job:
        return await self._store.update(job, parts={**job.parts, number: part})


def _nonce(job: Job, number: int) -> str:
    """Return a nonce for one message; Discord allows 25 characters."""
    return f"{hashlib.blake2b(job.id.encode(), digest_size=10).hexdigest()}-{number}"


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
