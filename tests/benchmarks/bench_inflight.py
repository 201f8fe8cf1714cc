"""A thousand jobs at once in one bot: `uv run python -m tests.benchmarks.bench_inflight`.

Prints the resident memory of the bot's process and the longest stall of its event loop while 1,000 jobs of 100 members
come in, while they wait, and while they end. Discord and ComfyUI run in processes of their own. Figures are for
comparing within one run on one machine; nothing here asserts them. The aims: below 200 MB, no stall above 50 ms. "own"
is the part of the worst stall that the loop worked itself: the rest is the machine's, busy with the other processes;
"gc" is the longest garbage collection, which is part of that. Below a row stands what the loop was at when it was late.
"""

import asyncio
import sys
import time

from tests.benchmarks.bench_memory import resident
from tests.benchmarks.outside_processes import Outside, outside, working_bot
from tests.benchmarks.stalls import Watch, watched

JOBS, MEMBERS = 1000, 100
AT_ONCE, PER_SECOND = 20, 50.0
"""Commands that wait for their answer at the same time, and how many come in a second."""
SMALL = {"prompt": "a fox", "width": 64, "height": 64, "steps": 1}
SLOW_STEP = 2.0
"""Seconds of a job while the others come in and wait."""
WAIT = 30.0
"""Seconds of only waiting."""
REST = 5.0
SERVERS = 2
NAMED = 5
"""Culprits that are shown for each row."""


def show(name: str, seconds: float, jobs: str, watch: Watch) -> None:
    """Print one row, and below it what the loop was at when it was late."""
    found = watch.take()
    sys.stdout.write(
        f"{name:<14} {seconds:>8.1f} {resident() / 1_000_000:>8.1f} {found.worst * 1000:>9.1f} {found.own * 1000:>7.1f}"
        f" {found.collecting * 1000:>7.1f} {found.busy:>6.0%}  {jobs}\n"
    )
    for culprit, looks in found.culprits.most_common(NAMED):
        sys.stdout.write(f"{'':>14} {looks:>4} x {culprit}\n")
    sys.stdout.flush()


async def measured(members: Outside, gpus: Outside, watch: Watch) -> None:
    """Let the jobs come, wait and end, and print a row for each."""
    jobs = [(1 + number % MEMBERS, SMALL | {"seed": str(number)}) for number in range(JOBS)]
    show("at rest", 0.0, "", watch)
    came = await members.do(do="order", jobs=jobs, at_once=AT_ONCE, per_second=PER_SECOND)
    show("coming in", came["seconds"], f"slowest answer {came['worst_answer'] * 1000:.0f} ms", watch)
    await asyncio.sleep(WAIT)
    done = sum(len(server["runs"]) for server in await gpus.do(do="runs", least=0))
    show("waiting", WAIT, f"{done} of {JOBS} done", watch)
    await gpus.do(do="play", seconds_per_step=0.0)
    since = time.perf_counter()
    ended = await members.do(do="ended")
    seconds = time.perf_counter() - since
    show("ending", seconds, f"{ended['pictures']} pictures, {(JOBS - done) / seconds:.1f} a second", watch)
    for text in ended["without"]:
        sys.stdout.write(f"{'':>14} no picture: {text!r}\n")
    await asyncio.sleep(REST)
    show("afterwards", REST, f"{ended['rate_limited']} requests too many for Discord", watch)


async def main() -> None:
    """Warm up, and measure."""
    sys.stdout.write(f"{'1,000 jobs':<14} {'seconds':>8} {'MB':>8} {'stall ms':>9} {'own':>7} {'gc':>7} {'cpu':>6}\n")
    async with (
        outside("tests.benchmarks.members") as members,
        outside("tests.benchmarks.gpus", str(SERVERS)) as gpus,
        working_bot(members, gpus.where["comfyuis"]),
        watched() as watch,
    ):
        await gpus.do(do="connected", servers=SERVERS)
        await members.do(do="order", jobs=[(1, SMALL)], at_once=1)
        await members.do(do="ended")
        await gpus.do(do="forget")
        await gpus.do(do="play", seconds_per_step=SLOW_STEP)
        watch.take()
        await measured(members, gpus, watch)


if __name__ == "__main__":
    asyncio.run(main())
