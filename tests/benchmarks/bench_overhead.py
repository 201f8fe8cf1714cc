"""What the bot costs on top of the GPU: `uv run python -m tests.benchmarks.bench_overhead`.

Prints the time from the interaction to the final edit, less the time that ComfyUI itself was busy, and the longest
stall of the bot's event loop. Discord and ComfyUI run in a process of their own. Figures are for comparing within one
run on one machine; nothing here asserts them. The aims: a median overhead of 10 ms, no stall above 20 ms.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bot.app import App, load_catalog
from bot.settings import Settings
from tests.benchmarks.floor import floor

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"
HEAD = f"{'milliseconds':<34} {'jobs':>4} {'median':>9} {'p95':>9} {'worst':>9} {'ack':>8} {'stall':>10}\n"
BEAT = 0.002
"""Seconds between two heartbeats of the loop; the stall is what a beat comes late."""


class Heartbeat:
    """Measures how long the event loop does not come round."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            start = time.perf_counter()
            await asyncio.sleep(BEAT)
            self.worst = max(self.worst, time.perf_counter() - start - BEAT)

    def take(self) -> float:
        """Return the worst stall in seconds since the last call."""
        worst, self.worst = self.worst, 0.0
        return worst


class Outside:
    """The process with Discord, ComfyUI and the member."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._in, self._out = process, process.stdin, process.stdout

    async def line(self) -> Any:
        """Return its next answer."""
        text = await self._out.readline()
        if not text:
            raise SystemExit("the process with Discord and ComfyUI broke off")
        return json.loads(text)

    async def do(self, **command: Any) -> Any:
        """Send a command and return its answer."""
        self._in.write(json.dumps(command).encode() + b"\n")
        await self._in.drain()
        return await self.line()


async def bare(outside: Outside, where: dict[str, Any], times: int) -> list[dict[str, float]]:
    """Run the newest graph `times` times with bare requests."""
    graph = await outside.do(do="graph")
    await outside.do(do="speed", step=0.0)
    jobs: list[dict[str, float]] = []
    async with floor(discord=where["discord"], comfyui=where["comfyui"], channel=where["channel"]) as least:
        for number in range(times):
            for node in graph.values():
                if "seed" in node["inputs"]:
                    node["inputs"]["seed"] = number
            start, end = await least.one(graph)
            jobs.append({"overhead": end - start - await outside.do(do="busy", since=start), "ack": 0.0})
    return jobs


def show(name: str, jobs: list[dict[str, float]], stall: float) -> None:
    """Print one row."""
    over = sorted(job["overhead"] * 1000 for job in jobs)
    ack = statistics.median(job["ack"] for job in jobs) * 1000
    sys.stdout.write(
        f"{name:<34} {len(jobs):>4} {statistics.median(over):>9.1f} {over[int(len(over) * 0.95) - 1]:>9.1f}"
        f" {over[-1]:>9.1f} {ack:>8.1f} {stall * 1000:>10.1f}\n"
    )
    sys.stdout.flush()


async def main() -> None:
    """Measure and print."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.theatre", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    outside = Outside(process)
    where = await outside.line()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            discord_token="bench-token",
            discord_api_url=where["discord"],
            discord_guild_ids=(where["guild"],),
            comfyui_urls=(where["comfyui"],),
            data_dir=Path(folder),
        )
        app = App(settings, load_catalog(WORKFLOWS))
        connection = asyncio.create_task(app.bot.start("bench-token"))
        heart = Heartbeat()
        beating = asyncio.create_task(heart.run())
        try:
            await outside.do(do="ready")
            await outside.do(do="imagine", times=5, step=0.0)  # warm
            heart.take()
            sys.stdout.write(HEAD)
            show("the same as bare requests", await bare(outside, where, 60), heart.take())
            show("imagine, 20 steps at once", await outside.do(do="imagine", times=60, step=0.0), heart.take())
            show("imagine, 1 s", await outside.do(do="imagine", times=15, step=0.05), heart.take())
            show("upscale, 0.2 MB attached", await outside.do(do="upload", times=20, side=256), heart.take())
            show("upscale, 13 MB attached and back", await outside.do(do="upload", times=3, side=2130), heart.take())
        finally:
            beating.cancel()
            await app.bot.close()
            await connection
            process.stdin.close() if process.stdin else None
            await process.wait()


if __name__ == "__main__":
    asyncio.run(main())
