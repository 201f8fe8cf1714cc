"""Results, made ready for Discord: each file within the limit of one, and as many together as one message takes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.images.fit import FittedFile
from bot.jobs.job import Job
from bot.ui.route import Attached
from bot.workflow.execution import TEXT, OutputFile

log = logging.getLogger(__name__)

MAX_FILES = 10
"""Discord's limit for one message."""
MAX_REQUEST = 24 * 1024 * 1024
"""Bytes of all files of one message: Discord takes 25 MiB for the whole request."""
MAX_WORDS = 1000
"""Characters of all texts of a result that stand in the message itself."""
MAX_MESSAGES = 10
"""Messages for one job: a channel belongs to everybody."""


class Fitting(Protocol):
    """What is done to results before they are posted (`bot.images`)."""

    async def fit(self, data: bytes, limit: int) -> FittedFile:
        """Free a result of metadata and make it fit `limit` bytes. Raises `BotError`."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a result, as it came and as it is posted."""

    number: int
    """Its place in the result, from 1: the same after a restart."""
    output: OutputFile
    attached: Attached


Batch = Sequence[Piece]
"""What one message shows."""


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that a job shows, message by message; never without a first one unless nothing fits at all."""

    batches: Sequence[Batch]
    unfit: int = 0
    """Files that cannot be made small enough."""
    surplus: int = 0
    """Files for which there is no room here."""
    words: str = ""
    """Texts that are short enough to stand in the message itself."""


class Packer:
    """Packs results. It knows limits, not how files are sent."""

    def __init__(self, *, pictures: Fitting) -> None:
        self._pictures = pictures

    async def pack(self, job: Job, outputs: Sequence[OutputFile]) -> Result:
        """Make messages of a result: one where the bot cannot post by itself, else as many as it takes."""
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

    async def shrink(self, job: Job, batch: Batch, factor: float) -> Batch:
        """Make the files of one message smaller, by this factor of the largest; those that cannot be are left out."""
        limit = int(max(len(piece.attached.data) for piece in batch) * factor)
        log.info("job %s: Discord wants smaller files; trying %d bytes each", job.id, limit)
        smaller = [await self._piece(job, piece.number, piece.output, limit) for piece in batch]
        return [piece for piece in smaller if piece is not None]

    async def _piece(self, job: Job, number: int, output: OutputFile, limit: int) -> Piece | None:
        if output.ref.folder == TEXT:
            return Piece(number, output, Attached(f"{stem(job, number)}.txt", output.data[:limit]))
        try:
            fitted = await self._pictures.fit(output.data, limit)
        except BotError as error:
            log.info("job %s: a file is left out: %s", job.id, error)
            return None
        return Piece(number, output, Attached(f"{stem(job, number)}.{fitted.extension}", fitted.data))


def _parted(outputs: Sequence[OutputFile]) -> tuple[Sequence[OutputFile], str]:
    """Take short texts out of a result; long ones stay, as files."""
    texts = [output for output in outputs if output.ref.folder == TEXT]
    words = "\n".join(output.data.decode("utf-8", "replace") for output in texts)
    if len(words) > MAX_WORDS:
        return outputs, ""
    return [output for output in outputs if output.ref.folder != TEXT], words


def stem(job: Job, number: int) -> str:
    """Return the name of a file without its extension, which depends on how small it had to be made."""
    return f"{job.spec.workflow}_{job.id[:8]}_{number}"


def remark(note: Message | None, *, unfit: int, surplus: int) -> Message | None:
    """Return the remark beside the pictures, with what must be said about files that are not shown."""
    for missing in (_unfit(unfit), _surplus(surplus)):
        if missing is not None:
            note = _("{note}\n{missing}", note=note, missing=missing) if note else missing
    return note


def _unfit(count: int) -> Message | None:
    if not count:
        return None
    return n_(
        "One more file was made, but is too large for this channel.",
        "{count} more files were made, but are too large for this channel.",
        count,
    )


def _surplus(count: int) -> Message | None:
    if not count:
        return None
    return n_(
        "One more file was made, but cannot be shown here: it is in /history.",
        "{count} more files were made, but cannot be shown here: they are in /history.",
        count,
    )


def _batches(pieces: Sequence[Piece]) -> list[list[Piece]]:
    batches: list[list[Piece]] = []
    size = 0
    for piece in pieces:
        length = len(piece.attached.data)
        if not batches or len(batches[-1]) == MAX_FILES or size + length > MAX_REQUEST:
            batches.append([])
            size = 0
        batches[-1].append(piece)
        size += length
    return batches
