"""The demo as its users start it: a process of its own, read line by line."""

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.paths import ROOT

URL = re.compile(r"http://127\.0\.0\.1:\d+/#\S+")
START_TIMEOUT = 60.0


class DemoProcess:
    """A running `python -m bot demo` in an empty folder that has only the workflows."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        shutil.copytree(ROOT / "workflows", folder / "workflows")
        self.lines: list[str] = []
        self._news: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bot", "demo", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._news.put(line.rstrip("\n"))
        self._news.put(None)

    def find(self, pattern: re.Pattern[str], within: float = START_TIMEOUT) -> str:
        """Return what matches in the next line that has it."""
        end = time.monotonic() + within
        while (line := self._news.get(timeout=max(0.0, end - time.monotonic()))) is not None:
            self.lines.append(line)
            if found := pattern.search(line):
                return found[0]
        raise AssertionError("the demo ended:\n" + "\n".join(self.lines))

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self, within: float) -> int:
        """Return the exit code, with all that was printed in `lines`."""
        code = self._process.wait(within)
        while (line := self._news.get(timeout=5)) is not None:
            self.lines.append(line)
        return code

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._reader.join()


@contextmanager
def demo(folder: Path, *arguments: str) -> Generator[DemoProcess]:
    """Start the demo, and make sure that it is gone afterwards."""
    process = DemoProcess(folder, *arguments)
    try:
        yield process
    finally:
        process.kill()
