"""A client that knows nothing better: plain aiohttp, every frame and answer as it came."""

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import pytest

Graph = dict[str, dict[str, Any]]
PATIENCE = 20.0
"""Seconds to wait for a frame; a live server may load a checkpoint in between."""
FOREVER = 2000
"""Sampler steps of a graph that is only there to be stopped."""


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Socket:
    """One websocket; frames are (type, data), binary ones ("binary <event>", bytes behind the event number)."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, sid: str) -> None:
        self.raw = socket
        self.sid = sid

    async def frame(self, patience: float = PATIENCE) -> tuple[str, Any]:
        async with asyncio.timeout(patience):
            message = await self.raw.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return f"binary {int.from_bytes(message.data[:4])}", message.data[4:]
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame = json.loads(message.data)
        return frame["type"], frame["data"]

    async def until_over(self, prompt_id: str) -> list[tuple[str, Any]]:
        """All frames up to the last one of a prompt."""
        frames: list[tuple[str, Any]] = []
        while True:
            frames.append(await self.frame())
            kind, data = frames[-1]
            if kind == "executing" and data["node"] is None and data["prompt_id"] == prompt_id:
                return frames

    async def until(self, wanted: str) -> Any:
        """The data of the next frame of that type."""
        while True:
            kind, data = await self.frame()
            if kind == wanted:
                return data

    async def quiet(self, seconds: float = 0.3) -> list[tuple[str, Any]]:
        """Whatever still comes within `seconds`."""
        frames: list[tuple[str, Any]] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    frames.append(await self.frame())
        except TimeoutError:
            return frames


class Client:
    def __init__(self, url: str) -> None:
        self.url = url
        self._session: aiohttp.ClientSession
        self._posted: list[str] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._posted:
            await self.call("POST", "/queue", json={"delete": self._posted})
            for prompt_id in self._posted:
                await self.call("POST", "/interrupt", json={"prompt_id": prompt_id})
            await self.until_idle()
        await self._session.close()

    def forget(self) -> None:
        """Leave what was queued to itself."""
        self._posted.clear()

    # ------------------------------------------------------------ requests

    async def call(self, method: str, path: str, **how: Any) -> Answer:
        async with self._session.request(method, self.url + path, **how) as response:
            return Answer(response.status, response.content_type, response.headers, await response.read())

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    async def post(self, graph: Any, **body: Any) -> Answer:
        """POST /prompt; remembers what was accepted, to be stopped at the end."""
        answer = await self.call("POST", "/prompt", json={"prompt": graph, **body})
        if answer.status == 200 and answer.json["prompt_id"]:
            self._posted.append(answer.json["prompt_id"])
        return answer

    async def queue(self, graph: Graph, **body: Any) -> str:
        """Post a graph that must be accepted, and return its id."""
        answer = await self.post(graph, prompt_id=str(uuid.uuid4()), **body)
        assert answer.status == 200, answer.text
        return answer.json["prompt_id"]

    async def run(self, graph: Graph) -> dict[str, Any]:
        """Run a graph to its end and return its history entry."""
        socket = await self.socket()
        prompt_id = await self.queue(graph, client_id=socket.sid)
        await socket.until_over(prompt_id)
        await socket.raw.close()
        return await self.history(prompt_id)

    async def history(self, prompt_id: str) -> dict[str, Any]:
        return (await self.get(f"/history/{prompt_id}")).get(prompt_id, {})

    async def until_idle(self) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self.get("/prompt"))["exec_info"]["queue_remaining"]:  # noqa: ASYNC110 - it is elsewhere
                await asyncio.sleep(0.02)

    async def socket(self, sid: str | None = None, flags: Any = None) -> Socket:
        """Open a websocket and read its greeting; with `flags`, also the answer to those."""
        sid = sid or uuid.uuid4().hex
        raw = await self._session.ws_connect(f"{self.url}/ws", params={"clientId": sid}, max_msg_size=0)
        socket = Socket(raw, sid)
        assert (await socket.frame())[0] == "status"
        if flags is not None:
            await raw.send_json({"type": "feature_flags", "data": flags})
            await socket.until("feature_flags")
        return socket

    async def upload(self, name: str, data: bytes, path: str = "/upload/image", **fields: str) -> Answer:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("image", data, filename=name, content_type="image/png")
        for field, value in fields.items():
            form.add_field(field, value)
        return await self.call("POST", path, data=form)

    # ------------------------------------------------------------ what this server is

    async def is_new(self) -> bool:
        """Whether it has the jobs API, and what came with it."""
        return (await self.call("GET", "/api/jobs?limit=1")).status == 200

    async def endless(self) -> Graph:
        """A graph that samples until somebody stops it."""
        return await self.sampling(steps=FOREVER)

    async def sampling(self, **inputs: Any) -> Graph:
        """A small text-to-image graph with a fresh seed, for a checkpoint that this server has."""
        info = await self.get("/object_info/CheckpointLoaderSimple")
        spec = info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"]
        names = spec[0] if isinstance(spec[0], list) else spec[1]["options"]
        if not names:
            pytest.skip("this server has no checkpoint")
        sampler = {
            "model": ["1", 0],
            "positive": ["3", 0],
            "negative": ["4", 0],
            "latent_image": ["2", 0],
            "seed": random.getrandbits(53),
            "steps": 3,
            "cfg": 7,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            **inputs,
        }
        return {
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": names[0]}},
            "2": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
            "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a cat by the sea"}},
            "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry"}},
            "5": {"class_type": "KSampler", "inputs": sampler},
            "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
            "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "contract/sampled"}},
        }


def picture_graph(color: int | None = None, *, size: int = 64, batch: int = 1) -> Graph:
    """A graph without a model: one colour, inverted, saved. Without `color`, one that no cache knows."""
    color = random.randrange(0xFFFFFF) if color is None else color
    empty = {"width": size, "height": size, "batch_size": batch, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "contract/plain"}},
    }


def kinds(frames: list[tuple[str, Any]]) -> list[str]:
    return [kind for kind, _ in frames]
