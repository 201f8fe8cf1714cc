import os
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import aiohttp
import pytest

from bot.clock import SystemClock
from bot.comfy.server import ComfyServer
from bot.comfy.timing import Timing

FAST = Timing(
    retry_first=0.05,
    retry_most=0.2,
    tick=0.02,
    poll=0.2,
    silence=20.0,
    settle=0.2,
    second_look=0.1,
    history=(0.05, 0.1, 0.2, 0.4, 0.8),
)
"""Impatient where that only makes tests short; a test that is about another limit shrinks that one."""

Connect = Callable[..., Any]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def connect(session: aiohttp.ClientSession) -> AsyncIterator[Connect]:
    """Return a function that makes a started `ComfyServer`; all of them are closed at the end."""
    servers: list[ComfyServer] = []

    async def connect(url: str, *, timing: Timing = FAST, online: bool = True, **options: Any) -> ComfyServer:
        server = ComfyServer(
            name="gpu1", url=url, session=session, clock=SystemClock(), random=Random(7), timing=timing, **options
        )
        servers.append(server)
        await server.start()
        if online:
            await server.wait_online()
        return server

    yield connect
    for server in servers:
        await server.close()


@pytest.fixture(params=["stand-in", pytest.param("live", marks=pytest.mark.live)])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """The address of a server that can run graphs: the stand-in, and the real one that COMFYUI_TEST_URL names."""
    if request.param == "live":
        if "COMFYUI_TEST_URL" not in os.environ:
            pytest.skip("COMFYUI_TEST_URL names no ComfyUI")
        yield os.environ["COMFYUI_TEST_URL"]
        return
    from bot.sandbox.comfyui import StandIn, ServerState
    async with StandIn(ServerState(seconds_per_step=0.02)) as standin:
        yield standin.url
