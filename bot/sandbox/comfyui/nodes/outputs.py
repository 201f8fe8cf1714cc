"""Output nodes: they write files or send UI output."""

import asyncio
import io
import json
import time
from pathlib import Path
from typing import Any

from PIL.Image import Image
from PIL.PngImagePlugin import PngInfo

from bot.sandbox.comfyui.files import OutsideError
from bot.sandbox.comfyui.nodes.call import Context, Inputs, NodeFailedError, Result
from bot.sandbox.comfyui.values import Pictures


def save_image(inputs: Inputs, context: Context) -> Result:
    """SaveImage."""
    images = inputs.images("images")
    entries = _saved(images, "output", inputs.text("filename_prefix"), context)
    return Result((Pictures(images),), {"images": entries})


def preview_image(inputs: Inputs, context: Context) -> Result:
    """PreviewImage: saves to temp, which is emptied at start."""
    images = inputs.images("images")
    return Result((Pictures(images),), {"images": _saved(images, "temp", context.temp_prefix, context)})


def preview_any(inputs: Inputs, _context: Context) -> Result:
    """PreviewAny: any value as text."""
    value = inputs["source"]
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return Result((text,), {"text": [text]})


def save_animated_webp(inputs: Inputs, context: Context) -> Result:
    """SaveAnimatedWEBP: the batch as frames of one file."""
    images = inputs.images("images")
    path, subfolder = _next_file("output", inputs.text("filename_prefix"), images[0], context)
    path = path.with_name(path.name + ".webp")
    images[0].save(
        path,
        save_all=True,
        append_images=list(images[1:]),
        duration=round(1000 / inputs.float("fps")),
        lossless=bool(inputs["lossless"]),
        quality=inputs.int("quality"),
    )
    entry = {"filename": path.name, "subfolder": subfolder, "type": "output"}
    return Result((Pictures(images),), {"images": [entry], "animated": [True]})


async def send_over_socket(inputs: Inputs, context: Context) -> Result:
    """SaveImageWebsocket: sends each image to the client as a binary frame and writes no file."""
    images = inputs.images("images")
    for number, image in enumerate(images):
        data = await asyncio.to_thread(_png, image)
        context.ticker.deliver(number, len(images), data)
    return Result()


def _saved(images: tuple[Image, ...], kind: str, prefix: str, context: Context) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for image in images:
        path, subfolder = _next_file(kind, prefix, image, context)
        path = path.with_name(path.name + ".png")
        image.save(path, pnginfo=_metadata(context), compress_level=4)
        entries.append({"filename": path.name, "subfolder": subfolder, "type": kind})
    return entries


def _next_file(kind: str, prefix: str, image: Image, context: Context) -> tuple[Path, str]:
    try:
        return next(context.folders.numbered(kind, _expanded(prefix, image)))
    except OutsideError as error:
        what = "**** ERROR: Saving image outside the output folder is not allowed."
        raise NodeFailedError(what, "Exception") from error


def _expanded(prefix: str, image: Image) -> str:
    """Replace the placeholders that the server replaces; "%date:…%" is left to the browser."""
    now = time.localtime()
    values = {
        "width": image.width,
        "height": image.height,
        "year": now.tm_year,
        "month": f"{now.tm_mon:02}",
        "day": f"{now.tm_mday:02}",
        "hour": f"{now.tm_hour:02}",
        "minute": f"{now.tm_min:02}",
        "second": f"{now.tm_sec:02}",
    }
    for name, value in values.items():
        prefix = prefix.replace(f"%{name}%", str(value))
    return prefix


def _metadata(context: Context) -> PngInfo:
    """Return PNG metadata with the whole graph, including prompts."""
    info = PngInfo()
    info.add_text("prompt", json.dumps(context.graph))
    for name, value in context.extra_pnginfo.items():
        info.add_text(name, json.dumps(value))
    return info


def _png(image: Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()
