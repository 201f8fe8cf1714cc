"""The outside of a benchmark, in a process of its own: a wire-level Discord, a stand-in ComfyUI, and one member.

Reads one JSON command a line from standard input, answers with one JSON line. The time that ComfyUI needs is read from
its own broadcast `status` frames, so any server can be measured.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
from PIL import Image

from bot.sandbox.comfyui import ServerState, StandIn
from tests.wire import Attachment, WireDiscord, WireMessage

BUSY = ("Queued", "Checking", "Fetching", "Starting", "You're next", "%", "offline")
TIMEOUT = 120.0
CROWD = 20
"""Members who ask at the same time."""


@dataclass
class Stopwatch:
    """Reads from `status` frames how long the server was busy."""

    marks: list[tuple[float, int]] = field(default_factory=list)

    async def watch(self, url: str) -> None:
        """Listen for ever as a client of the server that owns no prompt."""
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws?clientId=stopwatch") as socket:
            async for message in socket:
                frame = json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else {}
                if frame.get("type") == "status":
                    self.marks.append((time.perf_counter(), frame["data"]["status"]["exec_info"]["queue_remaining"]))

    def busy_since(self, start: float) -> float:
        """Return seconds between the first prompt's arrival after `start` and the queue being empty again."""
        marks = [(at, left) for at, left in self.marks if at >= start]
        began = next(at for at, left in marks if left)
        return marks[-1][0] - began


def over(message: WireMessage) -> bool:
    """Whether a job's message shows its end."""
    can_be_cancelled = any(button.startswith("cc:cancel:") for button in message.buttons)
    return not can_be_cancelled and not any(word in message.text for word in BUSY)


def noise(side: int) -> bytes:
    """Return a PNG that cannot be made smaller: about 2.9 bytes a pixel."""
    buffer = BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(side * side * 3)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Theatre:
    """Carries out the commands of the benchmark."""

    def __init__(self, wire: WireDiscord, comfy: StandIn, watch: Stopwatch) -> None:
        self.wire = wire
        self.comfy = comfy
        self.watch = watch

    async def one(self, name: str, options: dict[str, Any], user_id: int = 1) -> dict[str, float]:
        """Run one command to its end and return what it cost."""
        start = time.perf_counter()
        job = await self.wire.slash(name, options, user_id=user_id)
        message = await job.wait_for(over, TIMEOUT)
        end = time.perf_counter()
        if not message.attachments:
            raise AssertionError(message.text)
        await asyncio.sleep(0.02)  # the last status frame is on its way
        busy = self.watch.busy_since(start)
        return {"total": end - start, "busy": busy, "overhead": end - start - busy, "ack": job.ack_seconds}

    async def do(self, command: dict[str, Any]) -> Any:
        """Answer one command."""
        match command:
            case {"do": "ready"}:
                await self.wire.ready()
                await self.wire.commands()
                return await self._ready()
            case {"do": "imagine", "times": times, "step": step}:
                self.comfy.state.seconds_per_step = step
                options = {"prompt": "a fox", "width": 256, "height": 256}
                return [await self.one("imagine", options) for _ in range(times)]
            case {"do": "speed", "step": step}:
                self.comfy.state.seconds_per_step = step
                self.wire.state.rate_limits = False  # the floor speaks as nobody may for long
                return True
            case {"do": "busy", "since": since}:
                await asyncio.sleep(0.02)
                return self.watch.busy_since(since)
            case {"do": "graph"}:
                return self.comfy.state.seen.graphs[self.comfy.state.seen.prompts[-1]]
            case {"do": "crowd", "times": times}:
                self.comfy.state.seconds_per_step = 0.0
                self.wire.state.rate_limits = False
                return await self._crowd(times)
            case {"do": "upload", "times": times, "side": side}:
                picture = Attachment("in.png", noise(side))
                result = [await self.one("upscale", {"image": picture, "factor": 1.0}) for _ in range(times)]
                return [{**entry, "bytes": len(picture.data)} for entry in result]
            case _:
                raise ValueError(f"unknown command {command}")

    async def _crowd(self, times: int) -> int:
        """Let a crowd ask until so many jobs have ended; forget what they got, and return how many got a picture."""
        got = 0
        for first in range(0, times, CROWD):
            members = range(first, min(first + CROWD, times))
            small = {"prompt": "a fox", "width": 64, "height": 64, "steps": 1, "seed": "1"}  # drawn once, then cached
            jobs = await asyncio.gather(*(self.wire.slash("imagine", small, user_id=member + 1) for member in members))
            got += sum([bool((await job.wait_for(over, TIMEOUT)).attachments) for job in jobs])
            self.wire.world.forget()
            for shown in (self.comfy.state.seen.prompts, self.comfy.state.seen.graphs):
                shown.clear()
        return got

    async def _ready(self) -> bool:
        for _ in range(500):
            if await self.wire.autocomplete("imagine", "checkpoint", ""):
                return True
            await asyncio.sleep(0.02)
        raise AssertionError("the bot never learnt what the server offers")


async def main() -> None:
    """Serve until standard input ends."""
    watch = Stopwatch()
    async with WireDiscord() as wire, StandIn(ServerState(seconds_per_step=0.0, previews=True)) as comfy:
        wire.state.file_limit = 10 * 1024 * 1024
        listener = asyncio.create_task(watch.watch(comfy.url))
        theatre = Theatre(wire, comfy, watch)
        where = {"discord": wire.api_url, "guild": wire.guild.id, "channel": str(wire.guild.channels[0].id)}
        sys.stdout.write(json.dumps({**where, "comfyui": comfy.url}) + "\n")
        sys.stdout.flush()
        while line := await asyncio.to_thread(sys.stdin.readline):
            sys.stdout.write(json.dumps(await theatre.do(json.loads(line))) + "\n")
            sys.stdout.flush()
        listener.cancel()


if __name__ == "__main__":
    asyncio.run(main())
