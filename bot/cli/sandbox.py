"""`python -m bot sandbox`: runs only the simulated ComfyUI."""

import argparse
import asyncio

from bot.cli.options import port, stop_signal
from bot.errors import StartupError
from bot.i18n import _
from bot.sandbox.comfyui import StandIn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=port, default=8188, help="its port on this machine (default: 8188)")


def run(arguments: argparse.Namespace) -> int:
    asyncio.run(_serve(arguments.port))
    return 0


async def _serve(port: int) -> None:
    stop, server = stop_signal(), StandIn()
    try:
        await server.start(port)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartupError(
            _("Can't listen on port {port}: {reason}. Choose another one with --port.", port=port, reason=reason)
        ) from error
    try:
        print(_("A simulated ComfyUI is listening at {url}. Press Ctrl-C to stop.", url=server.url), flush=True)
        await stop.wait()
    finally:
        await server.close()
