import pytest

from bot.images import file_type
from bot.images.file_type import sniff
from tests.images.samples import encoded, noise


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PNG", file_type.PNG),
        ("JPEG", file_type.JPEG),
        ("WEBP", file_type.WEBP),
        ("GIF", file_type.GIF),
        ("BMP", file_type.BMP),
        ("AVIF", file_type.AVIF),
        ("TIFF", file_type.TIFF),
    ],
)
def test_pictures_are_known_by_their_bytes(name: str, kind: file_type.FileType) -> None:
    assert sniff(encoded(noise(4, 4), name)) is kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42avc1", file_type.MP4),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", file_type.QUICKTIME),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", file_type.AVIF),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", file_type.UNKNOWN),
        (b"\x1a\x45\xdf\xa3rest", file_type.WEBM),
        (b"RIFF\0\0\0\0WAVEfmt ", file_type.WAV),
        (b"ID3\x04rest", file_type.MP3),
        (b"OggS\0", file_type.OGG),
        (b"fLaC\0", file_type.FLAC),
        (b"<svg onload=alert(1)>", file_type.UNKNOWN),
        (b"BMW is a make of cars, not a bitmap", file_type.UNKNOWN),
        (b"RIFF", file_type.UNKNOWN),
        (b"", file_type.UNKNOWN),
    ],
)
def test_other_files(data: bytes, kind: file_type.FileType) -> None:
    assert sniff(data) is kind
