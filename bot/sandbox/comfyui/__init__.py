"""A stand-in ComfyUI: implements the server's HTTP and websocket API and draws images without a model.

For the demo, for tests that switch on faults through `ServerState`, and for trying clients. It shares no code with the
bot, so that it cannot share the bot's mistakes.
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
