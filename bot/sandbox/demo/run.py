"""Runs the demo until somebody has seen enough. Imports nothing of the optional extra before it is sure to be there."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TextIO

from bot.sandbox.demo.extra import require_extra


async def run_demo(*, comfyui: str | None, port: int, browser: bool, exit_after_first: bool, out: TextIO) -> int:
    """Show the bot at work and return the exit code: 0, or 1 when the first job gave no picture.

    `comfyui` is the address of a real server, None for the stand-in; `port` is the page's, 0 for a free one. What is
    for people to read goes to `out`. Raises `StartupError` when the demo cannot start.
    """
    require_extra()
    from bot.sandbox.demo.show import Show

    show = Show(comfyui=comfyui, port=port, browser=browser, exit_after_first=exit_after_first, out=out)
    return await _until_interrupted(show.run())


async def _until_interrupted(work: Coroutine[Any, Any, int]) -> int:
    """Let `work` end, or end it on Ctrl-C: then everything closes in order, and that is no failure."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    running = asyncio.ensure_future(work)
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        interrupted = True
        running.cancel()

    signals = _watch(loop, interrupt)
    try:
        return await running
    except asyncio.CancelledError:
        if interrupted and not (task and task.cancelling()):
            return 0
        raise
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _watch(loop: asyncio.AbstractEventLoop, interrupt: Any) -> list[signal.Signals]:
    signals = [signal.SIGINT, signal.SIGTERM]
    try:
        for number in signals:
            loop.add_signal_handler(number, interrupt)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread: asyncio's own way stays
        return []
    return signals
