"""The Discord of a benchmark and its members, in a process of their own, with the rate limits of the real one.

Reads one JSON command a line from standard input, answers with one JSON line. `order` returns when everybody has been
answered, `ended` when every message shows its end.
"""

import asyncio
import json
import sys
import time
from typing import Any

from tests.benchmarks.environment import over
from tests.wire import WireDiscord, WireInteraction

TIMEOUT = 600.0
TOLD = 200
"""Characters that are repeated of a message without a picture."""


class Members:
    """Carries out the commands of the benchmark."""

    def __init__(self, wire: WireDiscord) -> None:
        self._wire = wire
        self._jobs: list[WireInteraction] = []
        self._began = 0.0

    async def do(self, command: dict[str, Any]) -> Any:
        """Answer one command."""
        match command:
            case {"do": "ready"}:
                await self._wire.ready()
                await self._wire.commands()
                return await self._ready()
            case {"do": "order", "jobs": jobs, "at_once": at_once, **rest}:
                return await self._order(jobs, at_once, rest.get("per_second", 1e6))
            case {"do": "ended"}:
                return await self._ended()
            case _:
                raise ValueError(f"unknown command {command}")

    async def _order(self, jobs: list[tuple[int, dict[str, Any]]], at_once: int, per_second: float) -> dict[str, float]:
        """Send `/imagine` for (user id, options), in this order: so many at the same time, and no faster than that."""
        self._began = time.perf_counter()
        room = asyncio.Semaphore(at_once)

        async def send(user_id: int, options: dict[str, Any]) -> WireInteraction:
            try:
                return await self._wire.slash("imagine", options, user_id=user_id)
            finally:
                room.release()

        async with asyncio.TaskGroup() as tasks:
            sent: list[asyncio.Task[WireInteraction]] = []
            for number, (user_id, options) in enumerate(jobs):
                await room.acquire()
                await asyncio.sleep(self._began + number / per_second - time.perf_counter())
                sent.append(tasks.create_task(send(user_id, options)))
        self._jobs = [task.result() for task in sent]
        return {
            "seconds": time.perf_counter() - self._began,
            "worst_answer": max(job.ack_seconds for job in self._jobs),
        }

    async def _ended(self) -> dict[str, Any]:
        """Wait for the ends; count the pictures, and repeat what stands instead of others. Forgets the messages."""
        messages = [await job.wait_for(over, TIMEOUT) for job in self._jobs]
        result = {
            "seconds": time.perf_counter() - self._began,
            "pictures": sum(bool(message.attachments) for message in messages),
            "rate_limited": self._wire.counters.rate_limited,
            "without": sorted({message.text[-TOLD:] for message in messages if not message.attachments}),
        }
        self._jobs.clear()
        self._wire.world.forget()
        return result

    async def _ready(self) -> bool:
        for _ in range(500):
            if await self._wire.autocomplete("imagine", "checkpoint", ""):
                return True
            await asyncio.sleep(0.02)
        raise AssertionError("the bot never learnt what the server offers")


async def main() -> None:
    """Serve until standard input ends."""
    async with WireDiscord() as wire:
        members = Members(wire)
        _answer({"discord": wire.api_url, "guild": wire.guild.id, "channel": str(wire.guild.channels[0].id)})
        while line := await asyncio.to_thread(sys.stdin.readline):
            _answer(await members.do(json.loads(line)))


def _answer(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
