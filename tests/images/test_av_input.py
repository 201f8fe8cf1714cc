"""Films and sounds are known by their first bytes, and named by their content."""

import pytest

from bot.errors import InputError
from bot.images.av_input import AV_KINDS, check_av_size, prepare_av

MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(100)
M4A = b"\0\0\0\x20ftypM4A \0\0\2\0" + bytes(100)
WEBM = b"\x1a\x45\xdf\xa3" + bytes(100)
WAV = b"RIFF\x24\0\0\0WAVEfmt " + bytes(100)


@pytest.mark.parametrize(
    ("data", "kind", "ending"),
    [
        (MP4, "video", ".mp4"),
        (WEBM, "video", ".webm"),
        (b"GIF89a" + bytes(50), "video", ".gif"),
        (MP4, "audio", ".m4a"),
        (M4A, "audio", ".m4a"),
        (WAV, "audio", ".wav"),
        (b"ID3\x04" + bytes(50), "audio", ".mp3"),
        (b"\xff\xfb\x90\x64" + bytes(50), "audio", ".mp3"),
        (b"OggS" + bytes(50), "audio", ".ogg"),
        (b"fLaC" + bytes(50), "audio", ".flac"),
    ],
)
def test_what_is_taken_keeps_its_bytes_under_a_name_of_ours(data: bytes, kind: str, ending: str) -> None:
    taken = prepare_av(data, kind)
    assert taken.data == data
    assert taken.name.startswith("cc_")
    assert taken.name.endswith(ending)
    assert taken.name == prepare_av(data, kind).name


@pytest.mark.parametrize(
    ("data", "kind", "sentence"),
    [
        (b"", "video", "is empty. Please attach a file as MP4"),
        (WAV, "video", "Please attach a file as MP4, MOV, WebM or GIF"),
        (WEBM, "audio", "Please attach a file as MP3, WAV"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "audio", "Please attach a file as MP3"),
        (b"#!/bin/sh\n", "video", "isn't supported here"),
    ],
)
def test_what_is_not_taken_is_told_what_would_do(data: bytes, kind: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        prepare_av(data, kind)
    assert sentence in str(caught.value.user_message)


@pytest.mark.parametrize("kind", sorted(AV_KINDS))
def test_a_file_that_is_too_large_is_refused_before_it_is_downloaded(kind: str) -> None:
    check_av_size(AV_KINDS[kind].max_bytes, kind)
    with pytest.raises(InputError, match="the limit is"):
        check_av_size(AV_KINDS[kind].max_bytes + 1, kind)
