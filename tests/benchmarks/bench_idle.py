"""How long a GPU waits for its next prompt: `uv run python -m tests.benchmarks.bench_idle`.

Prints the gap between the end of one prompt and the begin of the next, by the server's own clock, while 30 jobs wait:
for the bot, for a client that posts everything at once (no gap, and no fairness), and for one that waits for each end
and fetches the picture first; then the same with 30 ms added to every answer and frame of the server. Server, Discord
and bot run in a process each. Figures are for comparing within one run on one machine; nothing here asserts them. The
aim: the bot's median below 1 ms.
"""

import asyncio
import itertools
import statistics
import sys
from typing import Any

from tests.benchmarks.bare import bare, with_seeds
from tests.benchmarks.outside_processes import Outside, outside, working_bot

WAITING = 30
STEPS, STEP = 3, 0.1
"""Sampler steps of a job and seconds of each."""
LATENCIES = (0.0, 0.03)
MEMBERS = 10
SMALL = {"prompt": "a fox", "width": 64, "height": 64, "steps": STEPS}


def gaps(servers: list[dict[str, Any]]) -> list[float]:
    """Return the milliseconds between consecutive prompts of the first server."""
    runs = sorted(servers[0]["runs"], key=lambda run: run["began"])
    return [(after["began"] - before["ended"]) * 1000 for before, after in itertools.pairwise(runs)][:WAITING]


def show(name: str, latency: float, found: list[float]) -> None:
    """Print one row."""
    p95 = statistics.quantiles(found, n=20)[-1]
    sys.stdout.write(
        f"{name:<38} {latency * 1000:>9.0f} {len(found):>5} {statistics.median(found):>9.2f} {p95:>9.2f}"
        f" {max(found):>9.2f}\n"
    )
    sys.stdout.flush()


async def by_the_bot(members: Outside, gpus: Outside) -> list[float]:
    """Let members ask for twice as many jobs as must wait, and look at the first half."""
    jobs = [(1 + number % MEMBERS, SMALL) for number in range(2 * WAITING + 2)]
    await gpus.do(do="forget")
    await gpus.do(do="play", seconds_per_step=STEP)
    await members.do(do="order", jobs=jobs, at_once=MEMBERS)
    found = gaps(await gpus.do(do="runs", least=WAITING + 1))
    await gpus.do(do="play", seconds_per_step=0.0)
    ended = await members.do(do="ended")
    if ended["pictures"] != len(jobs):
        raise SystemExit(f"only {ended['pictures']} of {len(jobs)} jobs brought a picture")
    return found


async def by_hand(gpus: Outside, graph: dict[str, Any], way: str) -> list[float]:
    """Run as many graphs with bare requests."""
    await gpus.do(do="forget")
    await gpus.do(do="play", seconds_per_step=STEP)
    async with bare(gpus.where["comfyuis"][0]) as client:
        await getattr(client, way)(with_seeds(graph, WAITING + 1))
    return gaps(await gpus.do(do="runs", least=WAITING + 1))


async def main() -> None:
    """Measure, and print a row for each way and latency."""
    sys.stdout.write(f"{'gap in milliseconds':<38} {'latency':>9} {'gaps':>5} {'median':>9} {'p95':>9} {'worst':>9}\n")
    async with outside("tests.benchmarks.members") as members, outside("tests.benchmarks.gpus", "1") as gpus:
        for latency in LATENCIES:
            async with working_bot(members, gpus.where["comfyuis"]):
                await gpus.do(do="play", latency=latency)
                show("the bot, two prompts deep", latency, await by_the_bot(members, gpus))
            graph = await gpus.do(do="graph")
            show("post everything at once", latency, await by_hand(gpus, graph, "at_once"))
            show("wait, fetch the picture, then post", latency, await by_hand(gpus, graph, "in_turn"))
            await gpus.do(do="play", latency=0.0, seconds_per_step=0.0)


if __name__ == "__main__":
    asyncio.run(main())
