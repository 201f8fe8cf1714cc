"""What more servers are worth: `uv run python -m tests.benchmarks.bench_fleet`.

Prints how long 40 jobs take on one server and on four, and how often two servers change their model when members ask
for three checkpoints. The servers sleep instead of computing, so that they do not share a processor. Figures are for
comparing within one run on one machine; nothing here asserts them. "fair" is the bot when it is not told what is
loaded, "chance" a server drawn by lot for each job, in the order in which they came. The aims: 3.6 times as fast on
four servers, and at most half as many changes of the model as without a preference for what is loaded.
"""

import asyncio
import statistics
import sys
from collections.abc import Sequence
from random import Random
from typing import Any, TypeAlias, cast

from bot.jobs.job import Job
from bot.jobs.repository import JobRepository
from tests.benchmarks.outside_processes import Outside, outside, working_bot

Order: TypeAlias = tuple[int, dict[str, Any]]
"""(user id, options of `/imagine`)."""

SEED = 4
SMALL = {"prompt": "a fox", "width": 64, "height": 64, "steps": 2}
JOBS, STEP = 40, 0.25
"""Jobs for the comparison of one server with four, and seconds of one of their two steps."""
CHECKPOINTS = ("inkwash-sdxl.safetensors", "dreamscape-sd15.safetensors", "papercut-sd15.safetensors")
LOAD, QUICK_STEP = 0.3, 0.1
"""Seconds to load a checkpoint, and of a step meanwhile."""
TRIALS = 1000
WARMER = 99
"""A member who asks before all others."""


def community() -> list[Order]:
    """Return the jobs of ten members for the comparison of one server with four."""
    return [(1 + number % 10, SMALL) for number in range(JOBS)]


def scenes(random: Random) -> dict[str, list[Order]]:
    """Return what members ask for, in the order in which they do: always 60 jobs for three checkpoints."""

    def job(user_id: int, checkpoint: str) -> Order:
        return user_id, SMALL | {"checkpoint": checkpoint}

    loyal = [job(1 + number % 3, CHECKPOINTS[number % 3]) for number in range(60)]
    mixed = [job(1 + number % 10, random.choice(CHECKPOINTS)) for number in range(60)]
    alone = [job(1, random.choice(CHECKPOINTS)) for _ in range(60)]
    return {
        "3 members, one checkpoint each": loyal,
        "10 members, any checkpoint": mixed,
        "1 member, any checkpoint": alone,
    }


def switches(checkpoints: Sequence[str], servers: Sequence[int]) -> int:
    """Return how often a model is loaded when the jobs run in this order, each on the server of the same index."""
    loaded: dict[int, str] = {}
    count = 0
    for checkpoint, server in zip(checkpoints, servers, strict=True):
        count += loaded.get(server) != checkpoint
        loaded[server] = checkpoint
    return count


def by_chance(checkpoints: Sequence[str], random: Random) -> float:
    """Return the same for an order of arrival of which each job goes to either of two servers by chance."""
    trials = (switches(checkpoints, random.choices((0, 1), k=len(checkpoints))) for _ in range(TRIALS))
    return statistics.mean(trials)


class Forgetful:
    """A store that never knows what a server has loaded."""

    def __init__(self, store: JobRepository) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, server: str, owner: str, prompt_id: str, now: float, *, loaded: str = "") -> Job | None:
        """Claim without a preference."""
        del loaded
        return await self._store.claim(server, owner, prompt_id, now)


def _forgetful(store: JobRepository) -> JobRepository:
    return cast("JobRepository", Forgetful(store))


async def played(
    members: Outside, gpus: Outside, servers: int, jobs: list[Order], *, forgetful: bool = False
) -> dict[str, Any]:
    """Let a fresh bot with so many servers carry out the jobs; return what the servers and the members tell."""
    wrapped = _forgetful if forgetful else None
    async with working_bot(members, gpus.where["comfyuis"][:servers], wrapped=wrapped):
        await gpus.do(do="connected", servers=servers)
        await members.do(do="order", jobs=[(WARMER, SMALL)] * servers, at_once=1)  # so it knows how long a job takes
        await members.do(do="ended")
        await gpus.do(do="forget")
        await members.do(do="order", jobs=jobs, at_once=20)
        ended = await members.do(do="ended")
        told = (await gpus.do(do="runs", least=len(jobs)))[:servers]
    runs = sorted((run for server in told for run in server["runs"]), key=lambda run: run["began"])
    if ended["pictures"] != len(jobs) or len(runs) != len(jobs):
        raise SystemExit(f"{len(jobs)} jobs: {ended['pictures']} pictures after {len(runs)} runs")
    return {
        "seconds": ended["seconds"],
        "busy": max(run["ended"] for run in runs) - runs[0]["began"],
        "shares": [len(server["runs"]) for server in told],
        "switches": sum(server["switches"] for server in told),
    }


async def faster(members: Outside, gpus: Outside) -> None:
    """Compare one server with four."""
    await gpus.do(do="play", seconds_per_step=STEP)
    one = await played(members, gpus, 1, community())
    four = await played(members, gpus, 4, community())
    sys.stdout.write(f"{f'{JOBS} jobs, seconds':<34} {'1 server':>9} {'4 servers':>9} {'ratio':>7}  shares\n")
    for name, key in (("from the first command to the end", "seconds"), ("from the first run to the end", "busy")):
        sys.stdout.write(
            f"{name:<34} {one[key]:>9.2f} {four[key]:>9.2f} {one[key] / four[key]:>7.2f}  {four['shares']}\n"
        )
    sys.stdout.flush()


async def fewer_switches(members: Outside, gpus: Outside) -> None:
    """Compare what two servers load with what they would if nobody cared."""
    await gpus.do(do="play", seconds_per_step=QUICK_STEP, load_seconds=LOAD)
    random = Random(SEED)
    head = f"{'models loaded by 2 servers':<34} {'the bot':>9} {'fair':>9} {'chance':>7} {'ratio':>7}  shares, seconds"
    sys.stdout.write(f"\n{head}\n")
    for name, jobs in scenes(random).items():
        found = await played(members, gpus, 2, jobs)
        fair = await played(members, gpus, 2, jobs, forgetful=True)
        chance = by_chance([options["checkpoint"] for _, options in jobs], random)
        sys.stdout.write(
            f"{name:<34} {found['switches']:>9} {fair['switches']:>9} {chance:>7.1f}"
            f" {found['switches'] / fair['switches']:>7.2f}"
            f"  {found['shares']}, {found['busy']:.1f} instead of {fair['busy']:.1f}\n"
        )
        sys.stdout.flush()


async def main() -> None:
    """Measure both."""
    async with outside("tests.benchmarks.members") as members, outside("tests.benchmarks.gpus", "4") as gpus:
        await faster(members, gpus)
        await fewer_switches(members, gpus)


if __name__ == "__main__":
    asyncio.run(main())
