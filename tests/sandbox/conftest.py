"""A fresh stand-in per test, without waits between the steps."""

from collections.abc import AsyncIterator

import pytest

from bot.sandbox.comfyui import ServerState, StandIn
from tests.contract.client import Client


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with StandIn(ServerState(seconds_per_step=0)) as server:
        yield server


@pytest.fixture
async def client(server: StandIn) -> AsyncIterator[Client]:
    client = Client(server.url)
    async with client:
        yield client
        server.state.frozen = server.state.publisher_stuck = False
        client.forget()
