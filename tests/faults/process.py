"""The bot as a process: started, killed and started again in one folder, as by an owner whose machine is a bad one."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.paths import ROOT

KEPT = ("PATH", "HOME", "LANG", "SYSTEMROOT")
"""What a fresh shell has, too."""


class BotProcess:
    """`python -m bot run` in a folder without `.env`; at most one at a time, as often as one likes."""

    def __init__(self, folder: Path, settings: Mapping[str, str], arguments: Sequence[str] = ()) -> None:
        """`arguments` stand behind `run`: the part of the work that it does."""
        self.name = folder.name
        self._arguments = tuple(arguments)
        self._folder = folder
        self._settings = settings
        self._log = folder / "bot.log"
        self._process: asyncio.subprocess.Process | None = None
        self.starts = 0

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def printed(self) -> str:
        """All that it ever printed, over all its lives."""
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    async def start(self) -> None:
        """Begin a new life; the last one must be over."""
        assert not self.is_running, "it still runs"
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot", "run", *self._arguments),
                cwd=self._folder,
                env=self._environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
            )

    async def once(self, *arguments: str) -> tuple[int, str]:
        """Let another command of `python -m bot` run to its end; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", *arguments),
            cwd=self._folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _nothing = await process.communicate()
        return process.returncode or 0, printed.decode()

    async def kill(self) -> None:
        """End its life with -9, if it has one."""
        if self._process is not None and self.is_running:
            self._process.kill()
            await self._process.wait()

    def freeze(self) -> None:
        """Let it stand still where it is, as on a machine that swaps or sleeps; it knows nothing of that."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on as if no time had passed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end by a signal; return its exit code and the seconds that it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(number)
        return await self.ended(), time.monotonic() - began

    async def ended(self, seconds: float = 25.0) -> int:
        """Return its exit code once it has ended by itself. Raises TimeoutError."""
        assert self._process is not None
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in KEPT}
        return kept | {"PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"} | dict(self._settings)
