"""A fake Discord with a minimal bot on it."""

from collections.abc import AsyncGenerator

import pytest

from tests.wire.bots import Trial, TrialBot, running
from tests.wire.discord_server import WireDiscord


@pytest.fixture
async def wire() -> AsyncGenerator[WireDiscord]:
    """A fake Discord with one guild."""
    async with WireDiscord() as server:
        yield server


@pytest.fixture
async def trial(wire: WireDiscord) -> AsyncGenerator[Trial]:
    """A minimal bot, connected to the fake."""
    bot = TrialBot()
    async with running(wire, bot):
        yield Trial(wire, bot)
