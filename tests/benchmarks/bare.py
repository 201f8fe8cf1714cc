"""The two ways in which most bots talk to ComfyUI, as bare requests: all at once, and one after the other."""

import copy
import json
import uuid
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

Graph = dict[str, Any]


class Bare:
    """A client that posts graphs and hears when they are over."""

    def __init__(self, session: aiohttp.ClientSession, socket: aiohttp.ClientWebSocketResponse[Any], url: str) -> None:
        self._session = session
        self._socket = socket
        self._url = url

    async def at_once(self, graphs: Iterable[Graph]) -> None:
        """Post everything, then wait for all of it."""
        waiting = {await self._post(graph) for graph in graphs}
        while waiting:
            waiting.discard(await self._next_over())

    async def in_turn(self, graphs: Iterable[Graph]) -> None:
        """Post each when the one before is over and its files are here."""
        for graph in graphs:
            prompt_id = await self._post(graph)
            while await self._next_over() != prompt_id:
                pass
            await self._fetch(prompt_id)

    async def _post(self, graph: Graph) -> str:
        request = {"prompt": graph, "prompt_id": str(uuid.uuid4()), "client_id": "bare"}
        async with self._session.post(f"{self._url}/prompt", json=request) as response:
            response.raise_for_status()
            return (await response.json())["prompt_id"]

    async def _fetch(self, prompt_id: str) -> None:
        async with self._session.get(f"{self._url}/history/{prompt_id}") as response:
            outputs = (await response.json())[prompt_id]["outputs"]
        for file in (file for output in outputs.values() for file in output["images"]):
            async with self._session.get(f"{self._url}/view", params=file) as response:
                await response.read()

    async def _next_over(self) -> str:
        async for frame in self._socket:
            if frame.type is aiohttp.WSMsgType.TEXT:
                event = json.loads(frame.data)
                if event["type"] == "executing" and event["data"]["node"] is None:
                    return event["data"]["prompt_id"]
        raise ConnectionError("the server closed the connection")


@asynccontextmanager
async def bare(url: str) -> AsyncGenerator[Bare]:
    """Connect to a server."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws?clientId=bare") as socket:
        yield Bare(session, socket, url)


def with_seeds(graph: Graph, count: int) -> list[Graph]:
    """Return copies that no cache knows."""
    copies = [copy.deepcopy(graph) for _ in range(count)]
    for one in copies:
        for node in one.values():
            if "seed" in node["inputs"]:
                node["inputs"]["seed"] = uuid.uuid4().int % 2**53
    return copies
