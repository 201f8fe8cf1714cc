"""The pulse of the pretended process: waits that stand still while the scenario has it frozen or stuck."""

import asyncio

from bot.sandbox.comfyui.state import ServerState

_POLL_SECONDS = 0.01
"""Looking again this often is cheap and soon enough."""


async def while_frozen(state: ServerState) -> None:
    """Return at once, or as soon as the server is no longer frozen."""
    while state.frozen:  # noqa: ASYNC110 - the state is plain data, there is no event to wait for
        await asyncio.sleep(_POLL_SECONDS)


async def while_stuck(state: ServerState) -> None:
    """Return when frames may leave."""
    while state.frozen or state.publisher_stuck:  # noqa: ASYNC110 - as above
        await asyncio.sleep(_POLL_SECONDS)


async def work(state: ServerState, seconds: float) -> None:
    """Spend `seconds` as a node would, and at least one turn of the loop."""
    await asyncio.sleep(seconds)
    await while_frozen(state)
