"""A stand-in ComfyUI: speaks the server's HTTP and websocket API, and draws real pictures without a model.

For the demo, for tests with faults switched on through `ServerState`, and for trying clients. It knows nothing of the
bot, so that it cannot agree with the bot's mistakes.
"""

from bot.sandbox.comfyui.standin import StandIn
from bot.sandbox.comfyui.state import (
    ALWAYS,
    BLOCKED,
    BLOCKED_SILENTLY,
    OUT_OF_MEMORY,
    Generation,
    NodeFault,
    Run,
    Seen,
    ServerState,
    Stop,
)

__all__ = [
    "ALWAYS",
    "BLOCKED",
    "BLOCKED_SILENTLY",
    "OUT_OF_MEMORY",
    "Generation",
    "NodeFault",
    "Run",
    "Seen",
    "ServerState",
    "StandIn",
    "Stop",
]
