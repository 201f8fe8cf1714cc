"""Running graphs on a server, and looking at what was told about them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from bot.comfy.server import ComfyServer
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import PromptLocation, RunEvent, RunResult

T = TypeVar("T", bound=RunEvent)


def new_id() -> str:
    """Return a prompt id as the bot makes them."""
    return str(uuid.uuid4())


async def follow(server: ComfyServer, graph: JsonGraph, prompt_id: str = "") -> list[RunEvent]:
    """Run a graph and return everything that was told about it."""
    prompt_id = prompt_id or new_id()
    async with server.subscribe(prompt_id) as events:
        await server.submit(prompt_id, graph)
        return [event async for event in events]


async def run(server: ComfyServer, graph: JsonGraph) -> RunResult:
    """Run a graph and return how it ended."""
    prompt_id = new_id()
    await follow(server, graph, prompt_id)
    return await server.result(prompt_id)


async def until(events: AsyncIterator[RunEvent], kind: type[T]) -> T:
    """Read events up to the first of a kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__}")


async def checkpoint(server: ComfyServer) -> str:
    """Return a checkpoint that the server has."""
    await server.refresh_definitions()
    return server.definitions.choices("CheckpointLoaderSimple.ckpt_name")[0]


async def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens on the other side of a socket
            await asyncio.sleep(0.01)


async def until_finished(server: ComfyServer, prompt_id: str, seconds: float = 10.0) -> None:
    """Wait until a server has a prompt in its history, by asking it."""
    async with asyncio.timeout(seconds):
        while await server.locate(prompt_id) is not PromptLocation.FINISHED:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
