"""Waits that respect the scenario's `frozen` and `publisher_stuck`."""

import asyncio

from bot.sandbox.comfyui.state import ServerState

_POLL_SECONDS = 0.01
"""Poll interval."""


async def while_frozen(state: ServerState) -> None:
    while state.frozen:  # noqa: ASYNC110 - the state is plain data without an event
        await asyncio.sleep(_POLL_SECONDS)


async def while_stuck(state: ServerState) -> None:
    """Return when frames can be sent."""
    while state.frozen or state.publisher_stuck:  # noqa: ASYNC110 - as above
        await asyncio.sleep(_POLL_SECONDS)


async def work(state: ServerState, seconds: float) -> None:
    """Simulate `seconds` of a node's work, and yield to the loop at least once."""
    await asyncio.sleep(seconds)
    await while_frozen(state)
