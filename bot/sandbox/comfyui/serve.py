"""The stand-in on its own, for `python -m bot sandbox`."""

import asyncio

from bot.sandbox.comfyui.standin import StandIn
from bot.sandbox.comfyui.state import ServerState


async def serve(port: int, host: str = "127.0.0.1", *, state: ServerState | None = None) -> None:
    """Run a stand-in until cancelled. Raises OSError when the port is taken."""
    server = StandIn(state, host=host)
    try:
        await server.start(port)
        await asyncio.Event().wait()
    finally:
        await server.close()
