"""Workers that share one PostgreSQL and die at any moment: `python -m tests.storage.worker_processes URL FOLDER SEED`.

The parent only forks and kills. A child is a small bot: it takes requests in, holds servers, adopts, claims, posts and
delivers. A server is a file: to post is to append a line, to ask is to look for it. Dying is SIGKILL, by the parent at
random moments, and by the child itself between any two steps.
"""

import asyncio
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.storage.database import open_store
from bot.storage.jobs.repository import SqlJobRepository
from tests.storage.samples import job

WORKERS = 4
SERVERS = [f"gpu{number}" for number in range(4)]
TTL = 1.0
RENEW = 0.2
DEADLY = 0.03
"""How likely a child is to die at each step."""
TURBULENT_LIVES = 28
"""So many children must die; then everybody may finish."""
REQUESTS = 3
"""Requests that one child takes in."""


def append(file: Path, line: str) -> None:
    """Write a line in one piece, so that a death tears none."""
    with file.open("ab", buffering=0) as out:
        out.write(f"{line}\n".encode())


class Worker:
    """One life of a child."""

    def __init__(self, store: SqlJobRepository, folder: Path, slot: int, life: int, seed: str, deadly: float) -> None:
        self._store = store
        self._folder = folder
        self._owner = f"worker{slot}"
        self._life = life
        self._chance = random.Random(f"{seed}-{life}")
        self._deadly = deadly
        self._held: frozenset[str] = frozenset()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def _step(self) -> None:
        if self._chance.random() < self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    async def run(self) -> None:
        for stray in await self._store.orphans(self._owner, SERVERS, time.time(), alone=False):
            self._step()
            with suppress(StaleJobError):
                await self._store.queue(stray)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_in())
            tasks.create_task(self._tell())
            while True:
                self._held = await self._store.acquire_leases(SERVERS, self._owner, TTL)
                self._look_after(tasks)
                await asyncio.sleep(RENEW)

    def _look_after(self, tasks: asyncio.TaskGroup) -> None:
        for server in SERVERS:
            task = self._tasks.get(server)
            if server in self._held and (task is None or task.done()):
                self._tasks[server] = tasks.create_task(self._serve(server))
            elif server not in self._held and task is not None:
                task.cancel()

    async def _take_in(self) -> None:
        for number in range(REQUESTS):
            self._step()
            new = job(
                self._life * 100 + number,
                user_id=number % 3,
                state=JobState.HELD,
                holder=self._owner,
                created=time.time(),
            )
            await self._store.add(new)
            self._step()
            await self._store.queue(new)
            await asyncio.sleep(0.02)

    async def _serve(self, server: str) -> None:
        for entry in await self._store.take_over_server(server, self._owner):
            await self._guarded(self._carry(entry))
        while server in self._held:
            prompt_id = f"{self._life}-{self._chance.getrandbits(48):x}"
            entry = await self._store.claim(server, self._owner, prompt_id, time.time())
            self._step()
            if entry is None:
                await asyncio.sleep(0.02)
            else:
                await self._guarded(self._carry(entry))

    async def _tell(self) -> None:
        while True:
            entry = await self._store.claim_due_delivery(self._owner, time.time(), time.time() + 1.0)
            if entry is None:
                await asyncio.sleep(0.1)
            else:
                await self._guarded(self._deliver(entry))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        with suppress(StaleJobError):  # somebody else took it over
            await work

    async def _carry(self, entry: Job) -> None:
        append(self._folder / "carried", f"{entry.id} {entry.epoch} {self._life}")
        self._step()
        if entry.state is JobState.RUNNING:
            posts = self._folder / entry.server
            if not entry.posted:
                entry = await self._store.update(entry, posted=True)
                self._step()
                append(posts, f"{entry.prompt_id} {entry.id}")
            elif entry.prompt_id not in posts.read_text().split():
                await self._store.transition(entry, JobState.QUEUED, losses=entry.losses + 1)
                return
            self._step()
            await asyncio.sleep(self._chance.uniform(0, 0.01))
            bad = self._chance.random() < 0.2
            state = JobState.FAILED if bad else JobState.DELIVERING
            entry = await self._store.transition(entry, state, delivery=Delivery.PENDING, finished=time.time())
        await self._deliver(entry)

    async def _deliver(self, entry: Job) -> None:
        self._step()
        if entry.state is JobState.DELIVERING:
            await self._store.transition(entry, JobState.DONE, delivery=Delivery.SENT)
        else:
            await self._store.update(entry, delivery=Delivery.SENT)
        self._step()


async def live(url: str, folder: Path, slot: int, life: int, seed: str, deadly: float) -> None:
    """Be a worker until somebody ends it."""
    store = await open_store(url)
    await Worker(store, folder, slot, life, seed, deadly).run()


def end(children: dict[int, int]) -> None:
    """Let nobody outlive the parent."""
    for pid in children:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def main(url: str, folder: Path, seed: str) -> int:
    """Keep the workers alive, more or less. Returns 1 when one of them ended by itself."""
    chance, lives = random.Random(seed), 0
    pause = threading.Event()
    children: dict[int, int] = {}
    asleep = dict.fromkeys(range(WORKERS), 0.0)
    while not (folder / "stop").exists():
        now = time.monotonic()
        turbulent = lives < TURBULENT_LIVES
        if not turbulent:
            (folder / "calm").touch()
        for slot, until in list(asleep.items()):
            if now >= until:
                lives += 1
                del asleep[slot]
                pid = os.fork()
                if pid == 0:
                    asyncio.run(live(url, folder, slot, lives, seed, DEADLY if turbulent else 0.0))
                    os._exit(1)
                children[pid] = slot
        if turbulent and children and chance.random() < 0.005:
            os.kill(chance.choice(list(children)), signal.SIGKILL)
        pid, status = os.waitpid(-1, os.WNOHANG) if children else (0, 0)  # all may stay away for a while
        if pid:
            if os.WTERMSIG(status) != signal.SIGKILL:
                end(children)
                return 1
            # Most are back at once, and get their servers back; some stay away for long enough to lose them.
            asleep[children.pop(pid)] = now + (chance.uniform(TTL, 2 * TTL) if chance.random() < 0.2 else 0.0)
        pause.wait(0.005)
    end(children)
    (folder / "lives").write_text(str(lives))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
