"""Packs results into Discord messages: each file within the upload limit, as many per message as fit."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.images.service import ImageService
from bot.jobs.job import Job
from bot.ui.messages.discord_errors import DiscordError, ErrorKind
from bot.ui.messages.edit_route import Attached
from bot.workflow.run.events import TEXT, OutputFile

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_FILES = 10
"""Discord's limit for one message."""
MAX_REQUEST = 24 * 1024 * 1024
"""Bytes of all files of one message; Discord accepts 25 MiB per request."""
MAX_WORDS = 1000
"""Characters up to which text outputs are shown in the message instead of as files."""
MAX_MESSAGES = 10
"""Messages per job, so that one result does not flood the channel."""
SIZE_TRIES = 3
SHRINK = 0.6
"""Factor by which files are shrunk when Discord still finds them too large."""


@dataclass(frozen=True, slots=True)
class PackedFile:
    """One file of a result, original and as posted."""

    number: int
    """Position in the result, from 1; stable across restarts."""
    output: OutputFile
    attached: Attached


Batch = Sequence[PackedFile]
"""The files of one message."""


@dataclass(frozen=True, slots=True)
class Result:
    """A packed result; `batches` is empty only if nothing fits at all."""

    batches: Sequence[Batch]
    unfit: int = 0
    """Files that cannot be made small enough."""
    surplus: int = 0
    """Files beyond the limit of messages."""
    words: str = ""
    """Text outputs short enough for the message itself."""


class Packer:
    def __init__(self, *, images: ImageService) -> None:
        self._images = images

    async def pack(self, job: Job, outputs: Sequence[OutputFile]) -> Result:
        """Pack a result: into one message where only the interaction's token can edit, else up to `MAX_MESSAGES`."""
        place = job.place
        outputs, words = _parted(outputs)
        chosen = outputs[: MAX_FILES * MAX_MESSAGES if place.bot_can_edit else MAX_FILES]
        limit = (
            place.upload_limit if place.bot_can_edit else min(place.upload_limit, MAX_REQUEST // max(1, len(chosen)))
        )
        numbered = list(enumerate(chosen, start=1))
        pieces = [piece for number, output in numbered if (piece := await self._piece(job, number, output, limit))]
        batches = _batches(pieces) or ([[]] if words else [])
        shown = batches[: MAX_MESSAGES if place.bot_can_edit else 1]
        surplus = len(outputs) - len(chosen) + sum(len(batch) for batch in batches[len(shown) :])
        return Result(shown, unfit=len(chosen) - len(pieces), surplus=surplus, words=words)

    async def send(self, job: Job, batch: Batch, send: Callable[[Batch], Awaitable[T]]) -> tuple[T, Batch]:
        """Send the files of one message, shrunk further if Discord rejects their size; return what was sent.

        Raises `DiscordError`.
        """
        for _try in range(SIZE_TRIES):
            try:
                return await send(batch), batch
            except DiscordError as error:
                if error.kind is not ErrorKind.TOO_LARGE:
                    raise
            batch = await self.shrink(job, batch, SHRINK) if batch else ()
            if not batch:
                break
        raise DiscordError(ErrorKind.TOO_LARGE, "files too large even after shrinking")

    async def shrink(self, job: Job, batch: Batch, factor: float) -> Batch:
        """Shrink the files of one message to `factor` of the largest one's size; drop those that cannot be shrunk."""
        limit = int(max(len(piece.attached.data) for piece in batch) * factor)
        log.info("job %s: files too large for Discord; retrying with %d bytes each", job.id, limit)
        smaller = [await self._piece(job, piece.number, piece.output, limit) for piece in batch]
        return [piece for piece in smaller if piece is not None]

    async def _piece(self, job: Job, number: int, output: OutputFile, limit: int) -> PackedFile | None:
        if output.ref.folder == TEXT:
            return PackedFile(number, output, Attached(f"{stem(job, number)}.txt", output.data[:limit]))
        try:
            fitted = await self._images.fit(output.data, limit)
        except BotError as error:
            log.info("job %s: skipped a file: %s", job.id, error)
            return None
        return PackedFile(number, output, Attached(f"{stem(job, number)}.{fitted.extension}", fitted.data))


def _parted(outputs: Sequence[OutputFile]) -> tuple[Sequence[OutputFile], str]:
    """Split short text outputs from the files; long texts stay files."""
    texts = [output for output in outputs if output.ref.folder == TEXT]
    words = "\n".join(output.data.decode("utf-8", "replace") for output in texts)
    if len(words) > MAX_WORDS:
        return outputs, ""
    return [output for output in outputs if output.ref.folder != TEXT], words


def stem(job: Job, number: int) -> str:
    """Return a file name without its extension, which depends on the compression."""
    return f"{job.spec.workflow}_{job.id[:8]}_{number}"


def remark(note: Message | None, *, unfit: int, surplus: int) -> Message | None:
    """Add to a result's note how many files are missing from its messages."""
    for missing in (_unfit(unfit), _surplus(surplus)):
        if missing is not None:
            note = _("{note}\n{missing}", note=note, missing=missing) if note else missing
    return note


def _unfit(count: int) -> Message | None:
    if not count:
        return None
    return n_(
        "1 more file is too large to post here.",
        "{count} more files are too large to post here.",
        count,
    )


def _surplus(count: int) -> Message | None:
    if not count:
        return None
    return n_(
        "1 more file didn't fit here. Find it in /history.",
        "{count} more files didn't fit here. Find them in /history.",
        count,
    )


def _batches(pieces: Sequence[PackedFile]) -> list[list[PackedFile]]:
    batches: list[list[PackedFile]] = []
    size = 0
    for piece in pieces:
        length = len(piece.attached.data)
        if not batches or len(batches[-1]) == MAX_FILES or size + length > MAX_REQUEST:
            batches.append([])
            size = 0
        batches[-1].append(piece)
        size += length
    return batches
