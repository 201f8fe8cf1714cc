"""The two ways to edit a job's message, and what Discord's refusals mean.

The interaction's token edits for 15 minutes (we stop at 14); then the bot's own token edits by channel and message id,
where the bot may. Refusals are read by status and code: an expired token is a 401 with code 50027, not a 404.
"""

import asyncio
import io
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import discord

from bot.clock import Clock
from bot.jobs.job import Place
from bot.ui.editor import MessageClosedError
from bot.ui.layout import SILENT, layout
from bot.ui.page import Page

log = logging.getLogger(__name__)

TOKEN_MARGIN = 60.0
"""Seconds before its end at which a token is no longer trusted."""
EDIT_TIMEOUT = 60.0
"""Seconds for one edit with its files, discord.py's own retries included."""

ORIGINAL = cast("int", "@original")
"""The route's word for the message that answered the interaction; discord.py passes it through as it is."""

REFUSED = {401, 403, 404}
"""Statuses after which the same request is not sent again: 10,000 of them in ten minutes are a ban."""
DEAD_KEPT = 1000
"""Refused tokens that are remembered, so that they are not tried again."""
MESSAGE_DELETED = 10008
THREAD_ARCHIVED = 50083
TOO_LARGE = {40005, 50045}


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes with a page."""

    filename: str
    data: bytes


class TooLargeError(Exception):
    """Discord refused the files for their size."""


class MessageRoute:
    """Edits messages of jobs, by whichever way still works."""

    def __init__(self, *, client: Callable[[], discord.Client], clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._dead: OrderedDict[str, None] = OrderedDict()

    async def edit(self, place: Place, page: Page, files: Sequence[Attached] = ()) -> None:
        """Make the message show `page` with exactly `files`.

        Raises `MessageClosedError` when neither way can edit it, `TooLargeError`, `TimeoutError`, and
        `discord.HTTPException` for faults that may pass.
        """
        async with asyncio.timeout(EDIT_TIMEOUT):
            if self._is_alive(place) and await self._by_token(place, page, files):
                return
            await self._by_bot(place, page, files)

    def _is_alive(self, place: Place) -> bool:
        return place.token not in self._dead and self._clock.now() < place.token_expires - TOKEN_MARGIN

    def _bury(self, place: Place) -> None:
        self._dead[place.token] = None
        while len(self._dead) > DEAD_KEPT:
            self._dead.popitem(last=False)

    async def _by_token(self, place: Place, page: Page, files: Sequence[Attached]) -> bool:
        """Edit through the interaction; False when its token is dead."""
        webhook = discord.Webhook.partial(place.application_id, place.token, client=self._client())
        try:
            await webhook.edit_message(ORIGINAL, view=layout(page), attachments=_files(files), allowed_mentions=SILENT)
        except discord.HTTPException as error:
            if error.status in REFUSED and error.code != MESSAGE_DELETED:
                self._bury(place)
                log.info("interaction %s is refused by token (%s): %s", place.interaction_id, error.status, error.code)
                return False
            if error.status == 400 and error.code not in TOO_LARGE and place.bot_can_edit:
                return False  # a fault of ours, or of that route: the other one may still show the end
            raise _translated(error) from error
        return True

    async def _by_bot(self, place: Place, page: Page, files: Sequence[Attached]) -> None:
        if not place.bot_can_edit:
            raise MessageClosedError("its token has expired, and the bot's own cannot edit it")
        channel = self._client().get_partial_messageable(place.channel_id, guild_id=place.guild_id)
        try:
            await channel.get_partial_message(place.message_id).edit(
                view=layout(page), attachments=_files(files), allowed_mentions=SILENT
            )
        except discord.HTTPException as error:
            raise _translated(error) from error


def _files(files: Sequence[Attached]) -> list[discord.Attachment | discord.File]:
    return [discord.File(io.BytesIO(file.data), filename=file.filename) for file in files]


def _translated(error: discord.HTTPException) -> Exception:
    if error.status in REFUSED or error.code == THREAD_ARCHIVED:
        return MessageClosedError(str(error))
    if error.status == 413 or error.code in TOO_LARGE:
        return TooLargeError(str(error))
    return error
