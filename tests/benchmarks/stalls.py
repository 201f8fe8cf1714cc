"""How long an event loop does not come round, how much of that it worked itself, and what it was at.

A machine that is busy with other processes stalls a loop too; the processor time of the loop's own thread tells whose
doing it was. A thread looks at what the loop does while it is late, so the culprits can be named.
"""

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.paths import ROOT

BEAT = 0.002
"""Seconds between two heartbeats of the loop; the stall is what a beat comes late."""
LOOK = 0.005
"""Seconds between two looks of the thread."""
LATE = 0.03
"""Seconds without a beat after which the thread notes what the loop is at."""
HERE = ROOT
SHOWN = 4
"""Innermost calls of ours that name a culprit."""


@dataclass
class Stalls:
    """What was found since the last `take`, in seconds."""

    worst: float = 0.0
    own: float = 0.0
    """Processor time of the loop's thread in the worst stall by that measure."""
    collecting: float = 0.0
    """Processor time of the longest garbage collection, whichever thread it met: nothing else runs meanwhile."""
    busy: float = 0.0
    """Which part of the time the process used a processor, all threads together."""
    culprits: Counter[str] = field(default_factory=Counter[str])
    """Innermost calls → in how many looks the loop was late with them."""


class Watch:
    """Beats on the loop, and looks at it from a thread."""

    def __init__(self) -> None:
        self._found = Stalls()
        self._beat = time.perf_counter()
        self._loop_thread = threading.get_ident()
        self._ended = threading.Event()
        self._collects_since = 0.0
        self._taken = (time.perf_counter(), time.process_time())

    def take(self) -> Stalls:
        """Return what was found since the last call."""
        found, self._found = self._found, Stalls()
        (at, worked), self._taken = self._taken, (time.perf_counter(), time.process_time())
        found.busy = (self._taken[1] - worked) / max(self._taken[0] - at, BEAT)
        return found

    def collect(self, phase: str, _info: dict[str, int]) -> None:
        """Note a garbage collection: the interpreter calls this."""
        if phase == "start":
            self._collects_since = time.thread_time()
        else:
            self._found.collecting = max(self._found.collecting, time.thread_time() - self._collects_since)

    async def beat(self) -> None:
        """Beat for ever."""
        while True:
            start, worked = time.perf_counter(), time.thread_time()
            self._beat = start
            await asyncio.sleep(BEAT)
            late = time.perf_counter() - start - BEAT
            self._found.worst = max(self._found.worst, late)
            if late > BEAT:
                self._found.own = max(self._found.own, min(late, time.thread_time() - worked))

    def look(self) -> None:
        """Look until the end: the work of the thread."""
        while not self._ended.wait(LOOK):
            if time.perf_counter() - self._beat > LATE + BEAT:
                frame = sys._current_frames().get(self._loop_thread)  # pyright: ignore[reportPrivateUsage] # documented
                self._found.culprits[_named(frame)] += 1

    def end(self) -> None:
        """Let the thread end."""
        self._ended.set()


@asynccontextmanager
async def watched() -> AsyncGenerator[Watch]:
    """Watch the running loop."""
    watch = Watch()
    gc.callbacks.append(watch.collect)
    beating = asyncio.create_task(watch.beat())
    looking = asyncio.create_task(asyncio.to_thread(watch.look))
    try:
        yield watch
    finally:
        gc.callbacks.remove(watch.collect)
        watch.end()
        await looking
        beating.cancel()


def _named(frame: FrameType | None) -> str:
    """Name the innermost calls, first what is of the bot, then where it is deepest."""
    innermost = _call(frame) if frame else "?"
    calls: list[str] = []
    while frame and len(calls) < SHOWN:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(HERE) and ".venv" not in path.parts:
            calls.append(_call(frame))
        frame = frame.f_back
    return " < ".join([innermost, *(call for call in calls if call != innermost)])


def _call(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}:{frame.f_lineno}"
