"""The demo's first job: a member requests an image, and the terminal shows the progress from the job's message.

It reads only that message and knows nothing about the bot's internals.
"""

import asyncio
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import discord
import simcord

from bot.errors import FailedError
from bot.i18n import _, verbatim
from bot.sandbox.demo.reading import accents_of, text_of
from bot.sandbox.demo.simulation import SimulatedDiscord
from bot.ui.page import Tone

PROMPT = "a lighthouse by the sea at dawn, soft light, gulls"
LOOK_EVERY = 0.1
PATIENCE = 120.0
"""Seconds without a change in the message before the demo gives up."""
BAR_CELLS = 24

_PERCENT = re.compile(r"(\d{1,3})\s?%")


@dataclass(frozen=True, slots=True)
class FirstPicture:
    path: Path
    seconds: float


class ProgressLine:
    """Progress in a terminal: one line that is redrawn, or a line per quarter if `out` is not a terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._moves = out.isatty()
        self._shown = -1

    def show(self, percent: int) -> None:
        """Show `percent`, unless at least as much is shown already."""
        step = percent if self._moves else percent // 25 * 25
        if step <= self._shown:
            return
        self._shown = step
        filled = round(step / 100 * BAR_CELLS)
        line = f"  [{'#' * filled}{'.' * (BAR_CELLS - filled)}] {step:3}%"
        self._out.write(f"\r{line}" if self._moves else f"{line}\n")
        self._out.flush()

    def end(self) -> None:
        if self._moves and self._shown >= 0:
            self._out.write("\n")
            self._out.flush()


class FirstJob:
    """Sends one `/imagine` and waits for its image."""

    def __init__(self, sim: SimulatedDiscord, channel: simcord.ChannelHandle, member: simcord.MemberActor) -> None:
        self._sim = sim
        self._channel = channel
        self._member = member

    async def run(self, folder: Path, progress: ProgressLine) -> FirstPicture:
        """Save the image in `folder`. Raises `FailedError` with the reason from the channel."""
        started = time.perf_counter()
        try:
            result = await self._sim.acting(self._member.slash(self._channel, "imagine", prompt=PROMPT))
        except simcord.SetupError as err:  # the command does not exist, or has no such option
            raise FailedError(_("There is no command /imagine with a prompt.")) from err
        try:
            message = await self._follow(result, progress)
        finally:
            progress.end()
        picture = message.attachments[0]
        path = await asyncio.to_thread(_save, folder, picture.filename, await picture.read())
        return FirstPicture(path, time.perf_counter() - started)

    async def _follow(self, result: simcord.InteractionResult, progress: ProgressLine) -> discord.Message:
        said, changed = "", time.perf_counter()
        while time.perf_counter() - changed < PATIENCE:
            response = result.response
            text = text_of(response.message) if response else ""
            if text != said:
                said, changed = text, time.perf_counter()
            if response and _is_done(response.message):
                progress.show(100)
                return response.message
            if response and (response.ephemeral or Tone.FAILED.value in accents_of(response.message)):
                raise FailedError(verbatim(_readable(text)))
            if found := _PERCENT.search(text):
                progress.show(int(found[1]))
            await asyncio.sleep(LOOK_EVERY)
        raise FailedError(
            _("No progress for {seconds} s. Last message: {text}", seconds=int(PATIENCE), text=_readable(said))
        )


def _is_done(message: discord.Message) -> bool:
    return bool(message.attachments) and Tone.DONE.value in accents_of(message)


def _readable(text: str) -> str:
    """Return the last line of a message without Markdown, quotes and small print."""
    lines = [line for line in text.splitlines() if line and not line.startswith((">", "-#"))]
    return re.sub(r"[*`]", "", lines[-1]) if lines else ""


def _save(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / Path(name).name
    path.write_bytes(data)
    return path
