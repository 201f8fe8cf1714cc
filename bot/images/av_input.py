"""Validates attached video and audio by their first bytes and names them by content; nothing is decoded.

They are uploaded unchanged: removing metadata without a decoder would break as many files as it cleans.
"""

from dataclasses import dataclass

from bot.errors import InputError
from bot.i18n import Message, _
from bot.images.file_type import (
    FLAC,
    GIF,
    M4A,
    MP3,
    MP4,
    OGG,
    QUICKTIME,
    WAV,
    WEBM,
    WEBP,
    FileType,
    megabytes,
    sniff,
)
from bot.images.input import named_by_content
from bot.workflow.run.events import InputFile

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AvKind:
    """What one kind of option accepts."""

    accepted: frozenset[FileType]
    max_bytes: int
    """Bytes. The file stays in the database until its run has finished, and writing it blocks other transactions;
    ComfyUI's own limit is 100 MB by default."""
    formats: str


AV_KINDS = {
    "video": AvKind(frozenset({MP4, QUICKTIME, WEBM, GIF, WEBP}), 50 * _MIB, "MP4, MOV, WebM or GIF"),
    "audio": AvKind(frozenset({MP3, WAV, FLAC, OGG, M4A, MP4}), 25 * _MIB, "MP3, WAV, FLAC, OGG or M4A"),
}


def check_av_size(size: int, kind: str) -> None:
    """Check a file's size in bytes, which is known before the download. Raises `InputError`."""
    known = AV_KINDS[kind]
    if size <= 0:
        raise InputError(_("That attachment is empty. Please attach a file as {formats}.", formats=_formats(known)))
    if size > known.max_bytes:
        raise InputError(
            _(
                "That file is {size} MB; the limit is {limit} MB. Please attach a shorter or smaller one.",
                size=megabytes(size),
                limit=megabytes(known.max_bytes),
            )
        )


def prepare_av(data: bytes, kind: str) -> InputFile:
    """Return a video or audio file unchanged, named by its content hash. Raises `InputError`."""
    check_av_size(len(data), kind)
    known, file_type = AV_KINDS[kind], sniff(data)
    if file_type not in known.accepted and not (kind == "audio" and _is_bare_mp3(data)):
        raise InputError(
            _(
                "That file type isn't supported here. Please attach a file as {formats}.",
                formats=_formats(known),
            )
        )
    extension = (
        "mp3"
        if file_type not in known.accepted
        else "m4a"
        if kind == "audio" and file_type is MP4
        else file_type.extension
    )
    return named_by_content(data, extension)


def _is_bare_mp3(data: bytes) -> bool:
    """Whether it starts with an MPEG audio frame instead of the usual ID3 tag."""
    return len(data) > 3 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06 != 0


def _formats(kind: AvKind) -> Message:
    return Message("{formats}", {"formats": kind.formats})
