"""What finished jobs leave in the bot's memory: `uv run python -m tests.benchmarks.bench_memory`.

Prints the resident memory of the bot's process after 1,000 and after 10,000 finished jobs. The aim: within 10 % of each
other. Discord and ComfyUI run in a process of their own, and forget.
"""

import asyncio
import gc
import sys
import time
from pathlib import Path

from tests.benchmarks.outside_processes import outside, working_bot

ROUNDS = (1000, 1000, 3000, 5000)
KIB = 1024


def resident() -> int:
    """Return the bytes of this process in memory."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * KIB


async def main() -> None:
    """Run jobs and print a row after each round."""
    done, first = 0, 0
    sys.stdout.write(f"{'jobs':>8} {'got a picture':>14} {'MiB':>8} {'ratio':>7} {'jobs/s':>8}\n")
    async with outside() as other, working_bot(other):
        for times in ROUNDS:
            start = time.perf_counter()
            got = await other.do(do="crowd", times=times)
            seconds = time.perf_counter() - start
            done += times
            gc.collect()
            now = resident()
            first = first or now
            sys.stdout.write(f"{done:>8} {got:>14} {now / KIB**2:>8.1f} {now / first:>7.3f} {times / seconds:>8.1f}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
