"""Runs the demo until somebody has seen enough. Imports nothing of the optional extra before it is sure to be there."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TextIO

from bot.sandbox.demo.extra import require_extra

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run_demo(*, comfyui: str | None, port: int, browser: bool, exit_after_first: bool, out: TextIO) -> int:
    """Show the bot at work and return the exit code: 0, or 1 when the first job gave no picture.

    `comfyui` is the address of a real server, None for the stand-in; `port` is the page's, 0 for a free one. What is
    for people to read goes to `out`. Raises `StartupError` when the demo cannot start.
    """
    require_extra()
    if reconfigure := getattr(out, "reconfigure", None):
        reconfigure(errors="replace")  # a console that has no "…" is no reason to end
    from bot.sandbox.demo.show import Show

    show = Show(comfyui=comfyui, port=port, browser=browser, exit_after_first=exit_after_first, out=out)
    return await _until_interrupted(show.run())


async def _until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """Let `work` end, or end it on Ctrl-C: then everything closes in order, and that is no failure.

    Ctrl-C for a second time is Python's own and ends at once.
    """
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(work)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        _unwatch(loop)
        running.cancel()

    _watch(loop, interrupt)
    try:
        return await running
    except asyncio.CancelledError:
        if interrupted:
            return 0
        raise
    finally:
        _unwatch(loop)


def _watch(loop: asyncio.AbstractEventLoop, interrupt: Callable[[], None]) -> None:
    # Windows has no such handlers, and other threads than the main one neither: there asyncio's own way stays
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in SIGNALS:
            loop.add_signal_handler(number, interrupt)


def _unwatch(loop: asyncio.AbstractEventLoop) -> None:
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in SIGNALS:
            loop.remove_signal_handler(number)
