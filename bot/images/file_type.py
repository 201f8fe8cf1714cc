"""Detects file types by their first bytes; file names and declared content types are not trusted.

Only signatures are checked: whether the rest of the file is valid shows when it is decoded.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileType:
    """A file type. `pillow` is Pillow's name of the format, empty for types that are never decoded."""

    extension: str
    content_type: str
    pillow: str = ""


PNG = FileType("png", "image/png", "PNG")
JPEG = FileType("jpg", "image/jpeg", "JPEG")
WEBP = FileType("webp", "image/webp", "WEBP")
GIF = FileType("gif", "image/gif", "GIF")
BMP = FileType("bmp", "image/bmp", "BMP")
AVIF = FileType("avif", "image/avif", "AVIF")
TIFF = FileType("tiff", "image/tiff")
MP4 = FileType("mp4", "video/mp4")
QUICKTIME = FileType("mov", "video/quicktime")
WEBM = FileType("webm", "video/webm")
M4A = FileType("m4a", "audio/mp4")
MP3 = FileType("mp3", "audio/mpeg")
FLAC = FileType("flac", "audio/flac")
OGG = FileType("ogg", "audio/ogg")
WAV = FileType("wav", "audio/wav")
GLB = FileType("glb", "model/gltf-binary")
UNKNOWN = FileType("bin", "application/octet-stream")

_PREFIXES: tuple[tuple[bytes, FileType], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\x00", TIFF),
    (b"MM\x00*", TIFF),
    (b"\x1a\x45\xdf\xa3", WEBM),
    (b"ID3", MP3),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
    (b"glTF", GLB),
)
_RIFF_FORMS = {b"WEBP": WEBP, b"WAVE": WAV}
_BMP_HEADER_SIZES = frozenset({12, 40, 52, 56, 64, 108, 124})
_BRANDS = {b"avif": AVIF, b"avis": AVIF, b"qt  ": QUICKTIME, b"M4A ": M4A}
_STILL_BRANDS = frozenset({b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"jxl "})
_MAX_FTYP_BYTES = 128


def sniff(data: bytes) -> FileType:
    """Return the type that the signature indicates, or `UNKNOWN`."""
    for prefix, file_type in _PREFIXES:
        if data.startswith(prefix):
            return file_type
    if data[:4] == b"RIFF":
        return _RIFF_FORMS.get(data[8:12], UNKNOWN)
    if data[4:8] == b"ftyp":
        return _iso_file_type(data)
    # "BM" alone would match ordinary text, so the size of the second header must be a known one.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return BMP
    return UNKNOWN


def _iso_file_type(data: bytes) -> FileType:
    """Tell members of the MP4 family apart by their brands (ISO/IEC 14496-12)."""
    major = data[8:12]
    if major in _BRANDS:
        return _BRANDS[major]
    end = min(int.from_bytes(data[:4], "big"), _MAX_FTYP_BYTES)
    compatible = {data[at : at + 4] for at in range(16, end, 4)}
    if b"avif" in compatible:
        return AVIF
    return UNKNOWN if major in _STILL_BRANDS else MP4


def megabytes(size: int) -> str:
    """Format a file size as Discord does: units of 1024² bytes, called MB."""
    return f"{size / (1024 * 1024):.1f}"
