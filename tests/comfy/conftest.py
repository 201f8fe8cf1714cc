from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any, Protocol

import aiohttp
import pytest
import stamina

from bot.clock import SystemClock
from bot.comfy.server import ComfyServer
from bot.comfy.timeouts import Timeouts
from bot.comfy.transport import ATTEMPTS
from bot.sandbox.comfyui import ServerState, StandIn
from tests.contract.servers import ALL, LIVE_URL

FAST = Timeouts(
    retry_first=0.05,
    retry_most=0.2,
    tick=0.02,
    poll=0.2,
    settle=0.2,
    first_event=1.0,
    second_check=0.1,
    history=(0.05, 0.1, 0.2, 0.4),
)
"""Impatient where that only makes tests short; a test that is about another limit shrinks that one."""


class Connect(Protocol):
    """Makes a started `ComfyServer`."""

    async def __call__(
        self, url: str, *, timeouts: Timeouts = FAST, online: bool = True, **options: Any
    ) -> ComfyServer:
        """Return it when it is online, or at once."""
        ...


@pytest.fixture(autouse=True)
def no_pauses() -> Iterator[None]:
    """Repeat requests at once, and as often as in earnest."""
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def connect(session: aiohttp.ClientSession) -> AsyncIterator[Connect]:
    """Return a function that makes a started `ComfyServer`; all of them are closed at the end."""
    servers: list[ComfyServer] = []

    async def connect(url: str, *, timeouts: Timeouts = FAST, online: bool = True, **options: Any) -> ComfyServer:
        server = ComfyServer(
            name="gpu1", url=url, session=session, clock=SystemClock(), random=Random(7), timeouts=timeouts, **options
        )
        servers.append(server)
        await server.start()
        if online:
            await server.wait_online()
        return server

    yield connect
    for server in servers:
        await server.close()


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    """A healthy, quick stand-in; a test plays its scenario by changing `state`."""
    async with StandIn(ServerState(seconds_per_step=0.02)) as standin:
        yield standin


@pytest.fixture(params=ALL)
async def url(request: pytest.FixtureRequest, standin: StandIn) -> str:
    """The address of a server that can run graphs: both generations of the stand-in, and a real one if there is one."""
    if request.param is None:
        return LIVE_URL
    standin.state.generation = request.param
    return standin.url
