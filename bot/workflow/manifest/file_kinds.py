"""File kinds by extension: what nodes write, and what options accept. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from bot.workflow.manifest.sections import OutputKind

_WRITTEN: Mapping[str, frozenset[str]] = {
    OutputKind.IMAGES: frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif", ".tiff", ".tif", ".exr", ".svg"}),
    OutputKind.ANIMATION: frozenset({".gif", ".webp", ".png", ".apng", ".avif"}),
    OutputKind.VIDEO: frozenset({".mp4", ".webm", ".mov", ".mkv", ".avi", ".m4v"}),
    OutputKind.AUDIO: frozenset({".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac"}),
    OutputKind.MODEL3D: frozenset(
        {".glb", ".gltf", ".obj", ".ply", ".stl", ".fbx", ".usdz", ".splat", ".spz", ".ksplat"}
    ),
    OutputKind.TEXT: frozenset({".txt", ".json", ".csv", ".md", ".srt"}),
}

_TAKEN: Mapping[str, frozenset[str]] = {
    "image": frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}),
    "mask": frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"}),
    "video": frozenset({".mp4", ".mov", ".webm", ".gif", ".webp", ".m4v"}),
    "audio": frozenset({".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".mp4"}),
}
"""Decides only what is offered; the content is checked when the file is read."""


def is_written_as(kind: str, filename: str) -> bool:
    """Whether the extension fits this `OutputKind`."""
    return _ending(filename) in _WRITTEN.get(kind, ())


def is_taken_by(kind: str, filename: str) -> bool:
    """Whether the extension fits an option of this kind."""
    return _ending(filename) in _TAKEN.get(kind, ())


def _ending(filename: str) -> str:
    return PurePosixPath(filename.lower()).suffix
