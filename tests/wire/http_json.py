"""Bodies in and out: JSON answers with the exact content type discord.py asks for, JSON and multipart requests."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import BodyPartReader, web

from tests.wire.api_errors import invalid_form

Json: TypeAlias = dict[str, Any]

FILE_FIELD = re.compile(r"files\[(\d+)\]")


@dataclass(slots=True)
class Upload:
    """One file of a multipart request."""

    name: str
    data: bytes


@dataclass(slots=True)
class Body:
    """What a request carried: its JSON object, and files by their number."""

    payload: Json
    uploads: dict[int, Upload] = field(default_factory=dict[int, Upload])

    def part(self, name: str) -> "Body":
        """Return the body whose JSON is the object under `name`: callbacks wrap the message in `data`."""
        return Body(self.payload.get(name) or {}, self.uploads)


def reply(data: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with JSON; discord.py compares the content type as a whole, so no charset may follow it."""
    body = json.dumps(data, separators=(",", ":")).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def no_content() -> web.Response:
    """Answer 204, as most deletions do."""
    return web.Response(status=204)


async def read_body(request: web.Request) -> Body:
    """Read a request. Raises ApiError 50035 when it holds no JSON object."""
    if request.content_type == "multipart/form-data":
        return await _read_multipart(request)
    raw = await request.read()
    return Body(_object(raw) if raw else {})


async def _read_multipart(request: web.Request) -> Body:
    body = Body({})
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        data = bytes(await part.read(decode=False))
        if part.name == "payload_json":
            body.payload = _object(data)
        elif match := FILE_FIELD.fullmatch(part.name or ""):
            body.uploads[int(match[1])] = Upload(part.filename or "unknown", data)
    return body


def _object(raw: bytes) -> Json:
    try:
        value: Any = json.loads(raw)
    except ValueError as err:
        raise invalid_form("_misc", "BASE_TYPE_INVALID", "The request body contains invalid JSON.") from err
    if not isinstance(value, dict):
        raise invalid_form("_misc", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    return value  # pyright: ignore[reportUnknownVariableType] # json.loads knows no element types
