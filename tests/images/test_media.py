import pytest

from bot.images import media
from bot.images.media import sniff
from tests.images.samples import encoded, noise


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PNG", media.PNG),
        ("JPEG", media.JPEG),
        ("WEBP", media.WEBP),
        ("GIF", media.GIF),
        ("BMP", media.BMP),
        ("AVIF", media.AVIF),
        ("TIFF", media.TIFF),
    ],
)
def test_pictures_are_known_by_their_bytes(name: str, kind: media.Media) -> None:
    assert sniff(encoded(noise(4, 4), name)) is kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42avc1", media.MP4),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", media.QUICKTIME),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", media.AVIF),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", media.UNKNOWN),
        (b"\x1a\x45\xdf\xa3rest", media.WEBM),
        (b"RIFF\0\0\0\0WAVEfmt ", media.WAV),
        (b"ID3\x04rest", media.MP3),
        (b"OggS\0", media.OGG),
        (b"fLaC\0", media.FLAC),
        (b"<svg onload=alert(1)>", media.UNKNOWN),
        (b"BMW is a make of cars, not a bitmap", media.UNKNOWN),
        (b"RIFF", media.UNKNOWN),
        (b"", media.UNKNOWN),
    ],
)
def test_other_files(data: bytes, kind: media.Media) -> None:
    assert sniff(data) is kind
