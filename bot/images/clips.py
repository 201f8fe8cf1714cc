"""Films and sounds that members attach: looked at by their first bytes, named by their content, and never decoded.

What is inside a container is ComfyUI's to read: taking out metadata without a decoder would break as many files as it
cleans, so they go to the server as they came.
"""

import hashlib
from dataclasses import dataclass

from bot.errors import InputError
from bot.i18n import Message, _
from bot.images.media import FLAC, GIF, M4A, MP3, MP4, OGG, QUICKTIME, WAV, WEBM, WEBP, Media, megabytes, sniff
from bot.workflow.execution import InputFile

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ClipKind:
    """What is taken for one kind of option."""

    takes: frozenset[Media]
    most: int
    """Bytes. The file lies in the database until its run is over, written in one transaction for which all others wait;
    and ComfyUI itself takes 100 MB at most, unless it is told otherwise."""
    formats: str


KINDS = {
    "video": ClipKind(frozenset({MP4, QUICKTIME, WEBM, GIF, WEBP}), 50 * _MIB, "MP4, MOV, WebM or GIF"),
    "audio": ClipKind(frozenset({MP3, WAV, FLAC, OGG, M4A, MP4}), 25 * _MIB, "MP3, WAV, FLAC, OGG or M4A"),
}


def check_clip_size(size: int, kind: str) -> None:
    """Refuse a file by its length in bytes, which is known before it is downloaded. Raises `InputError`."""
    known = KINDS[kind]
    if size <= 0:
        raise InputError(_("That attachment is empty. Please attach a file in {formats}.", formats=_formats(known)))
    if size > known.most:
        raise InputError(
            _(
                "That file has {size} MB; at most {limit} MB can be taken. Please attach a shorter or smaller one.",
                size=megabytes(size),
                limit=megabytes(known.most),
            )
        )


def take_clip(data: bytes, kind: str) -> InputFile:
    """Return a film or sound as it is, under a name made of its content. Raises `InputError`."""
    check_clip_size(len(data), kind)
    known, media = KINDS[kind], sniff(data)
    if media not in known.takes and not (kind == "audio" and _is_bare_mp3(data)):
        raise InputError(
            _(
                "That attachment is not one that ComfyUI can take here. Please attach a file in {formats}.",
                formats=_formats(known),
            )
        )
    extension = "mp3" if media not in known.takes else "m4a" if kind == "audio" and media is MP4 else media.extension
    return InputFile(f"cc_{hashlib.sha256(data).hexdigest()[:40]}.{extension}", data, 0, 0)


def _is_bare_mp3(data: bytes) -> bool:
    """Whether it begins with a frame of MPEG audio, without the tag that most files have in front."""
    return len(data) > 3 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 0x06 != 0


def _formats(kind: ClipKind) -> Message:
    return Message("{formats}", {"formats": kind.formats})
