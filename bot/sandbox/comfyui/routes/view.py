"""`/view`: serves files from the three folders, unchanged or re-encoded."""

import asyncio
import io
import mimetypes
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from PIL import Image as Pillow

from bot.sandbox.comfyui.files import Folders, OutsideError, split_suffix

_ACTIVE = ("text/html", "text/html-sandboxed", "application/xhtml+xml", "text/javascript", "text/css")
"""Types that a browser would execute; they are served as plain bytes."""


class ViewRoutes:
    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def table(self) -> list[web.RouteDef]:
        return [web.get("/view", self._view)]

    async def _view(self, request: web.Request) -> web.StreamResponse:
        filename = request.query.get("filename")
        if filename is None:
            return web.Response(status=404)
        name, kind = split_suffix(filename)
        folder = self._folders.folder(kind or request.query.get("type", "output"))
        if not name or name.startswith("/") or ".." in name or folder is None:
            return web.Response(status=400)
        try:
            parent = self._folders.inside(folder, request.query.get("subfolder", ""))
            path = self._folders.inside(parent, Path(name).name)
        except OutsideError:
            return web.Response(status=403)
        if not path.is_file():
            return web.Response(status=404)
        return await self._serve(request, path)

    async def _serve(self, request: web.Request, path: Path) -> web.StreamResponse:
        headers = {"Content-Disposition": f'filename="{path.name}"'}
        if (encode := _encoder(request)) is not None:
            data, content_type = await asyncio.to_thread(encode, path)
            return web.Response(body=data, content_type=content_type, headers=headers)
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        headers["Content-Type"] = "application/octet-stream" if content_type in _ACTIVE else content_type
        return web.FileResponse(path, headers=headers)


def _encoder(request: web.Request) -> Callable[[Path], tuple[bytes, str]] | None:
    channel = request.query.get("channel", "rgba")
    if "preview" in request.query:
        name, _, quality = request.query["preview"].partition(";")
        # like ComfyUI: JPEG only if the channel is unchanged
        encoding = "jpeg" if name == "jpeg" and channel not in ("a", "rgb") else "webp"
        return lambda path: _preview(path, encoding, int(quality) if quality.isdigit() else 90)
    if channel in ("rgb", "a"):
        return lambda path: _channel(path, channel)
    return None


def _preview(path: Path, encoding: str, quality: int) -> tuple[bytes, str]:
    if quality > 100:
        raise ValueError("quality is out of range")
    with Pillow.open(path) as picture:
        ready = picture.convert("RGB") if encoding == "jpeg" else picture.convert("RGBA")
    buffer = io.BytesIO()
    ready.save(buffer, encoding.upper(), quality=quality)
    return buffer.getvalue(), f"image/{encoding}"


def _channel(path: Path, channel: str) -> tuple[bytes, str]:
    with Pillow.open(path) as picture:
        if channel == "rgb":
            ready = picture.convert("RGB")
        else:
            alpha = picture.convert("RGBA").getchannel("A")
            ready = Pillow.new("RGBA", picture.size)
            ready.putalpha(alpha)
    buffer = io.BytesIO()
    ready.save(buffer, "PNG")
    return buffer.getvalue(), "image/png"
