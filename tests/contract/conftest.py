"""The servers that the contract is checked against: the stand-in in both generations, and a live ComfyUI if named.

    COMFYUI_TEST_URL=http://127.0.0.1:8188 uv run pytest tests/contract -m live

The live server should be idle. It is left with a few small pictures more than before.
"""

from collections.abc import AsyncIterator

import pytest

from bot.sandbox.comfyui import ServerState, StandIn
from tests.contract.client import Client
from tests.contract.servers import ALL, LIVE_URL


@pytest.fixture(params=ALL)
async def server_url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Address of a running server."""
    if request.param is None:
        yield LIVE_URL
        return
    async with StandIn(ServerState(generation=request.param, seconds_per_step=0.01)) as server:
        yield server.url


@pytest.fixture
async def client(server_url: str) -> AsyncIterator[Client]:
    """A raw client of that server, which tidies up what it queued."""
    async with Client(server_url) as client:
        yield client
