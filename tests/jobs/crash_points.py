"""Stopping a process at a chosen moment: doors that a store, a shelf, a server and a board walk through."""

import asyncio
from collections.abc import Sequence
from typing import Any

from bot.i18n import Message
from bot.jobs.job import Delivery, Job, JobState
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import Accepted, OutputFile


class Door:
    """Shut at one point of the way; whoever comes there waits until the end of the process."""

    def __init__(self, point: str) -> None:
        self._point = point
        self.reached = asyncio.Event()

    async def pass_by(self, point: str) -> None:
        """Wait for ever if this is the point."""
        if point == self._point:
            self.reached.set()
            await asyncio.Event().wait()


class _Behind:
    """Everything that is not named in a subclass, as the real one does it."""

    def __init__(self, real: Any, door: Door) -> None:
        self._real = real
        self._door = door

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class StoreBehind(_Behind):
    """A store."""

    async def claim(self, *args: Any, **options: Any) -> Job | None:
        job = await self._real.claim(*args, **options)
        if job is not None:
            await self._door.pass_by("after the claim")
        return job

    async def update(self, job: Job, **changes: Any) -> Job:
        if changes.get("posted"):
            await self._door.pass_by("before it is noted as posted")
        noted = await self._real.update(job, **changes)
        if changes.get("posted"):
            await self._door.pass_by("before the POST")
        return noted

    async def transition(self, job: Job, state: JobState, **changes: Any) -> Job:
        await self._door.pass_by(f"before {state}")
        moved = await self._real.transition(job, state, **changes)
        await self._door.pass_by(f"after {state}")
        return moved


class ShelfBehind(_Behind):
    """A shelf."""

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        await self._door.pass_by("before the shelf")
        await self._real.put(job_id, files)
        await self._door.pass_by("after the shelf")


class ServerBehind(_Behind):
    """A server."""

    async def submit(self, prompt_id: str, graph: JsonGraph) -> Accepted:
        accepted = await self._real.submit(prompt_id, graph)
        await self._door.pass_by("after the POST")
        return accepted


class BoardBehind(_Behind):
    """A message board."""

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
        await self._door.pass_by("before the edit")
        told = await self._real.deliver(job, outputs, note)
        await self._door.pass_by("after the edit")
        return told


POINTS = (
    "after the claim",
    "before it is noted as posted",
    "before the POST",
    "after the POST",
    "before the shelf",
    "after the shelf",
    "before delivering",
    "after delivering",
    "before the edit",
    "after the edit",
    "before done",
)
