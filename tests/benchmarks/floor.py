"""The least that any bot must do for one picture, as bare requests: what the bot's own overhead is compared with."""

import json
import time
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

HEADERS = {"Authorization": "Bot bench-token"}


class Floor:
    """Says something in a channel, runs a graph, and edits the picture into what it said."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse[Any], **at: str) -> None:
        self._session = session
        self._socket = socket
        self._comfyui = at["comfyui"]
        self._messages = f"{at['discord']}/channels/{at['channel']}/messages"

    async def one(self, graph: dict[str, Any]) -> tuple[float, float]:
        """Run a graph to its picture; return when it began and ended, on the clock of `time.perf_counter`."""
        start = time.perf_counter()
        message = await self._json("POST", self._messages, headers=HEADERS, json={"content": "queued"})
        prompt_id = str(uuid.uuid4())
        request = {"prompt": graph, "prompt_id": prompt_id, "client_id": "floor"}
        await self._json("POST", f"{self._comfyui}/prompt", json=request)
        await self._over(prompt_id)
        history = await self._json("GET", f"{self._comfyui}/history/{prompt_id}")
        [file] = [file for output in history[prompt_id]["outputs"].values() for file in output["images"]]
        async with self._session.get(f"{self._comfyui}/view", params=file) as response:
            picture = await response.read()
        form = aiohttp.FormData()
        form.add_field("payload_json", json.dumps({"content": "done", "attachments": [{"id": 0, "filename": "a.png"}]}))
        form.add_field("files[0]", picture, filename="a.png", content_type="image/png")
        await self._json("PATCH", f"{self._messages}/{message['id']}", headers=HEADERS, data=form)
        return start, time.perf_counter()

    async def _json(self, method: str, url: str, **body: Any) -> Any:
        async with self._session.request(method, url, **body) as response:
            response.raise_for_status()
            return await response.json()

    async def _over(self, prompt_id: str) -> None:
        async for frame in self._socket:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                continue
            event = json.loads(frame.data)
            data = event.get("data", {})
            if event["type"] == "executing" and data["node"] is None and data["prompt_id"] == prompt_id:
                return


@asynccontextmanager
async def floor(**at: str) -> AsyncGenerator[Floor]:
    """Connect; `at` names `discord` and `comfyui` by address, and the `channel` by id."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{at['comfyui']}/ws?clientId=floor") as socket,
    ):
        yield Floor(session, socket, **at)
