"""Reads input files (Discord attachments, or files of earlier results) and has `bot.images` check them.

Files known to be too large are not downloaded.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import discord

from bot.errors import BotError, InputError
from bot.i18n import _
from bot.images.service import ImageService
from bot.jobs.repository import ResultStore
from bot.workflow.manifest.options import ImageOption
from bot.workflow.run.events import InputFile
from bot.workflow.workflow import Workflow

DOWNLOAD_TIMEOUT = 60.0
"""Seconds for one attachment."""
AV_KINDS = frozenset({"video", "audio"})
MAX_DOWNLOADS = 4
"""Undecoded files in memory at the same time."""


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of an earlier result, used as if it were attached."""

    filename: str
    job_id: str
    number: int
    """Index in the result, from 0."""
    results: ResultStore = field(repr=False)

    async def read(self) -> bytes:
        """Return the content. Raises `InputError` if the file has expired."""
        outputs = await self.results.get(self.job_id)
        if self.number >= len(outputs):
            raise InputError(_("This result has expired. Save the file from its message and attach it."))
        return outputs[self.number].data


UnreadFile = discord.Attachment | KeptFile


class Attachments:
    def __init__(self, *, pictures: ImageService) -> None:
        self._pictures = pictures
        self._downloads = asyncio.Semaphore(MAX_DOWNLOADS)

    async def read(self, workflow: Workflow, attached: Mapping[str, UnreadFile]) -> dict[str, InputFile]:
        """Return each option's checked file; an image has its mask (if any) in its alpha channel.

        Raises `InputError`, which names the option.
        """
        options = workflow.manifest.options
        pictures = {name: await self._one(name, options[name].kind, each) for name, each in attached.items()}
        for name, option in options.items():
            if not isinstance(option, ImageOption) or option.mask_of is not None or name not in pictures:
                continue
            mask = pictures.pop(workflow.manifest.mask_for(name) or "", None)
            if mask is not None or option.needs_mask:
                pictures[name] = await self._pictures.with_mask(pictures[name], mask)
        return pictures

    async def _one(self, name: str, kind: str, given: UnreadFile) -> InputFile:
        try:
            if isinstance(given, discord.Attachment):
                self._check_size(given.size, kind)
            async with self._downloads:
                data = await _read(given)
                self._check_size(len(data), kind)
                return await (
                    self._pictures.prepare_av(data, kind) if kind in AV_KINDS else self._pictures.prepare_input(data)
                )
        except BotError as error:
            raise InputError(_("**{option}**: {reason}", option=name, reason=error.user_message)) from error

    def _check_size(self, size: int, kind: str) -> None:
        if kind in AV_KINDS:
            self._pictures.check_av_size(size, kind)
        else:
            self._pictures.check_size(size)


async def _read(given: UnreadFile) -> bytes:
    try:
        async with asyncio.timeout(DOWNLOAD_TIMEOUT):
            return await given.read()
    except BotError:
        raise
    except Exception as error:  # discord.py lets errors of its HTTP library through
        if isinstance(given, KeptFile):
            raise InputError(
                _(
                    "I can't read this result right now. Try again in a minute, "
                    "or save the file from its message and attach it."
                )
            ) from error
        raise InputError(_("I couldn't download the file from Discord. Please attach it again.")) from error
