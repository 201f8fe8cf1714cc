"""What the bot costs on top of the GPU: `uv run python -m tests.benchmarks.bench_overhead`.

Prints the time from the interaction to the final edit, less the time that ComfyUI itself was busy, and the longest
stall of the bot's event loop. Discord and ComfyUI run in a process of their own. Figures are for comparing within one
run on one machine; nothing here asserts them. The aims: a median overhead of 10 ms, no stall above 20 ms.
"""

import asyncio
import statistics
import sys
import time

from tests.benchmarks.floor import floor
from tests.benchmarks.outside_processes import Outside, outside, working_bot

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


async def bare(other: Outside, times: int) -> list[dict[str, float]]:
    """Run the newest graph `times` times with bare requests."""
    graph, where = await other.do(do="graph"), other.where
    await other.do(do="speed", step=0.0)
    jobs: list[dict[str, float]] = []
    async with floor(discord=where["discord"], comfyui=where["comfyui"], channel=where["channel"]) as least:
        for number in range(times):
            for node in graph.values():
                if "seed" in node["inputs"]:
                    node["inputs"]["seed"] = number
            start, end = await least.one(graph)
            jobs.append({"overhead": end - start - await other.do(do="busy", since=start), "ack": 0.0})
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
    """Measure, and print a row for each kind of job."""
    heart = Heartbeat()
    async with outside() as other, working_bot(other):
        beating = asyncio.create_task(heart.run())
        await other.do(do="imagine", times=5, step=0.0)  # warm
        heart.take()
        sys.stdout.write(HEAD)
        show("the same as bare requests", await bare(other, 60), heart.take())
        show("imagine, 20 steps at once", await other.do(do="imagine", times=60, step=0.0), heart.take())
        show("imagine, 1 s", await other.do(do="imagine", times=15, step=0.05), heart.take())
        show("upscale, 0.2 MB attached", await other.do(do="upload", times=20, side=256), heart.take())
        show("upscale, 13 MB attached and back", await other.do(do="upload", times=3, side=2130), heart.take())
        beating.cancel()


if __name__ == "__main__":
    asyncio.run(main())
