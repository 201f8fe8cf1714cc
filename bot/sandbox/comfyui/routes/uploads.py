"""Uploads: files are stored where the client says, inside the folder; their content is not checked."""

import asyncio
import hashlib
import io
import json
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField
from PIL import Image as Pillow

from bot.sandbox.comfyui.drawing.pixels import scaled
from bot.sandbox.comfyui.files import Folders, OutsideError
from bot.sandbox.comfyui.state import ServerState

_CHUNK_BYTES = 1024 * 1024


class UploadRoutes:
    def __init__(self, state: ServerState, folders: Folders) -> None:
        self._state = state
        self._folders = folders

    def table(self) -> list[web.RouteDef]:
        return [web.post("/upload/image", self._image), web.post("/upload/mask", self._mask)]

    async def _image(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        return await self._store(form, await _content(form))

    async def _mask(self, request: web.Request) -> web.Response:
        """Apply the upload's alpha to a copy of the original; a missing original is not reported."""
        form = dict(await request.post())
        original = json.loads(str(form["original_ref"]))
        mask = await _content(form)
        try:
            kind, subfolder = original.get("type", "output"), original.get("subfolder", "")
            path = self._folders.inside(self._folders.root / kind, subfolder, original["filename"])
            data = await asyncio.to_thread(_with_alpha, path, mask or b"")
        except (OutsideError, OSError):
            field = form["image"]
            name = field.filename if isinstance(field, FileField) else ""
            return web.json_response({"name": name, "subfolder": form.get("subfolder", ""), "type": "input"})
        return await self._store(form, data)

    async def _store(self, form: dict[str, Any], data: bytes | None) -> web.Response:
        if data is None:
            return web.Response(status=400)
        kind, subfolder = str(form.get("type", "input")), str(form.get("subfolder", ""))
        folder = self._folders.folder(kind)
        filename = form["image"].filename
        if folder is None or not filename or filename.startswith("/"):
            raise ValueError(f"no such folder or name: {kind}")
        try:
            target = self._folders.inside(folder, subfolder)
            path = self._folders.inside(folder, subfolder, filename)
        except OutsideError:
            return web.Response(status=400)
        target.mkdir(parents=True, exist_ok=True)
        if form.get("overwrite") not in ("true", "1"):
            path = await asyncio.to_thread(_free_name, path, data)
        await asyncio.to_thread(path.write_bytes, data)
        name = str(path.relative_to(target))
        self._state.seen.uploads[f"{subfolder}/{name}" if subfolder else name] = data
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


async def _content(form: dict[str, Any]) -> bytes | None:
    """Return the bytes of the file part, None if missing. Raises `AttributeError` for a text field."""
    if "image" not in form:
        return None
    with form["image"].file as file:  # aiohttp does not close it if the client has disconnected
        return await asyncio.to_thread(file.read)


def _free_name(path: Path, data: bytes) -> Path:
    """Return `path`, or "name (1).ext" and so on: the first that is free or has the same content."""
    candidate, number = path, 1
    digest = hashlib.sha256(data).digest()
    while candidate.exists() and hashlib.sha256(candidate.read_bytes()).digest() != digest:
        candidate = path.with_name(f"{path.stem} ({number}){path.suffix}")
        number += 1
    return candidate


def _with_alpha(original: Path, mask: bytes) -> bytes:
    with Pillow.open(original) as picture, Pillow.open(io.BytesIO(mask)) as alpha:
        result = picture.convert("RGBA")
        result.putalpha(scaled(alpha.convert("RGBA"), result.size).getchannel("A"))
    buffer = io.BytesIO()
    result.save(buffer, "PNG")
    return buffer.getvalue()
