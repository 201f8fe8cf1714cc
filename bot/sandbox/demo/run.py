"""Runs the demo until Ctrl-C. Imports the optional packages only after checking for them."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TextIO

from bot.sandbox.demo.extra import require_extra

SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def run_demo(*, comfyui: str | None, port: int, browser: bool, exit_after_first: bool, out: TextIO) -> int:
    """Run the demo and return the exit code: 0, or 1 if the first job failed.

    `comfyui` is the URL of a real server, None for the stand-in; `port` is the page's, 0 for a free one.
    Messages go to `out`. Raises `StartupError`.
    """
    require_extra()
    if reconfigure := getattr(out, "reconfigure", None):
        reconfigure(errors="replace")  # for consoles that cannot encode "…"
    from bot.sandbox.demo.show import Show

    show = Show(comfyui=comfyui, port=port, browser=browser, exit_after_first=exit_after_first, out=out)
    return await _until_interrupted(show.run())


async def _until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """Await `work`; Ctrl-C cancels it, closes everything in order and returns 0.

    A second Ctrl-C is handled by Python and ends the process immediately.
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
    # Not supported on Windows and outside the main thread: asyncio's default handling stays
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in SIGNALS:
            loop.add_signal_handler(number, interrupt)


def _unwatch(loop: asyncio.AbstractEventLoop) -> None:
    with suppress(NotImplementedError, RuntimeError, ValueError):
        for number in SIGNALS:
            loop.remove_signal_handler(number)
