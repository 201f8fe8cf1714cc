"""`python -m bot demo`: a simulated Discord in the browser, with a simulated or a real ComfyUI."""

import argparse
import asyncio
import sys

from bot.cli.options import port
from bot.errors import StartupError
from bot.i18n import _
from bot.log import configure_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--exit", action="store_true", help="exit after the first image")
    parser.add_argument("--comfyui", metavar="URL", help="use this ComfyUI server instead of a simulated one")
    parser.add_argument("--port", type=port, default=0, help="the page's port (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="only print the page's address")


def run(arguments: argparse.Namespace) -> int:
    try:
        from bot.sandbox.demo.run import run_demo
    except ModuleNotFoundError as error:
        raise StartupError(
            _("The demo needs extra packages: pip install 'comfycord[demo]' ({name} is missing).", name=error.name)
        ) from error
    configure_logging("ERROR", "console")
    return asyncio.run(
        run_demo(
            comfyui=arguments.comfyui,
            port=arguments.port,
            browser=not (arguments.no_browser or arguments.exit),
            exit_after_first=arguments.exit,
            out=sys.stdout,
        )
    )
