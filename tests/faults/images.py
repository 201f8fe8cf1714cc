"""Pictures that are told apart by their size: attached ones, and whole results that a server is made to list."""

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image


def png(size: tuple[int, int]) -> bytes:
    """Return a picture of this size."""
    buffer = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, "PNG")  # pyright: ignore[reportUnknownMemberType]
    return buffer.getvalue()


def many(folder: Path, count: int) -> tuple[list[tuple[int, int]], dict[str, Any]]:
    """Write so many pictures where a server keeps its outputs; return their sizes and what a saving node lists."""
    sizes = [(64 + number, 64) for number in range(count)]
    entries: list[dict[str, str]] = []
    for number, size in enumerate(sizes):
        name = f"many_{number:05}_.png"
        (folder / "output" / name).write_bytes(png(size))
        entries.append({"filename": name, "subfolder": "", "type": "output"})
    return sizes, {"images": entries}
