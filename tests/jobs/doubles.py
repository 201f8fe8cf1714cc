"""In-memory ends for the two ports of `bot.jobs`: a server that does as told, and a message board."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bot.i18n import Message
from bot.jobs.job import Delivery, Job, MessageLocation, Requester
from bot.jobs.ports import ON_ITS_WAY
from bot.jobs.repository import AccountStatus, QueueEntry
from bot.jobs.status import JobUpdate
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import (
    Accepted,
    InputFile,
    OutputFile,
    OutputRef,
    PromptLocation,
    RunEnded,
    RunEvent,
    RunResult,
    ServerOfflineError,
)
from bot.workflow.run.needs import Abilities
from bot.workflow.run.spec import RunSpec

REF = OutputRef(node_id="9", filename="out_00001_.png", subfolder="", folder="output")


@dataclass
class ScriptedBackend:
    """Plays `script` for each prompt (one list of events per submission) and remembers what was asked of it."""

    name: str = "gpu1"
    key: str = "http://gpu1"
    script: list[list[RunEvent]] = field(default_factory=lambda: [[RunEnded()]])
    result_of: RunResult = field(default_factory=lambda: RunResult(outputs=(REF,)))
    definitions: Definitions = field(default_factory=Definitions)
    accepted: Accepted = field(default_factory=Accepted)
    where: PromptLocation = PromptLocation.UNKNOWN
    up: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Runs go on only while this is set."""
    end: asyncio.Event = field(default_factory=asyncio.Event)
    """Runs end only while this is set."""
    fetched: list[OutputRef] = field(default_factory=list)
    fetch_errors: list[Exception] = field(default_factory=list)
    submit_errors: list[Exception] = field(default_factory=list)
    locate_errors: list[Exception] = field(default_factory=list)
    upload_errors: list[Exception] = field(default_factory=list)
    result_errors: list[Exception] = field(default_factory=list)
    submitted: list[tuple[str, JsonGraph]] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    interrupt_errors: list[Exception] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    is_heard: bool = True
    abilities: Abilities = field(default_factory=Abilities)
    foreign_prompts: int = 0
    uploads: list[InputFile] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        self.up.set()
        self.gate.set()
        self.end.set()

    @property
    def online(self) -> bool:
        return self.up.is_set()

    async def refresh_definitions(self) -> Definitions:
        return self.definitions

    async def wait_online(self) -> None:
        await self.up.wait()

    @asynccontextmanager
    async def subscribe(self, prompt_id: str, *, idle_limit: float = 600.0) -> AsyncGenerator[AsyncIterator[RunEvent]]:
        self.watched.append(prompt_id)
        yield self._events()

    async def _events(self) -> AsyncIterator[RunEvent]:
        events = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            for event in events:
                await self.gate.wait()
                if isinstance(event, RunEnded):
                    await self.end.wait()
                yield event
        finally:
            self.running -= 1

    async def upload(self, file: InputFile) -> str:
        if self.upload_errors:
            raise self.upload_errors.pop(0)
        self.uploads.append(file)
        return f"stored_{file.name}"

    async def submit(self, prompt_id: str, graph: JsonGraph) -> Accepted:
        if self.submit_errors:
            raise self.submit_errors.pop(0)
        self.submitted.append((prompt_id, graph))
        return self.accepted

    async def locate(self, prompt_id: str) -> PromptLocation:
        if self.locate_errors:
            raise self.locate_errors.pop(0)
        return self.where

    def receives_events_for(self, prompt_id: str) -> bool:
        return self.is_heard

    async def interrupt(self, prompt_id: str) -> None:
        if self.interrupt_errors:
            raise self.interrupt_errors.pop(0)
        self.interrupted.append(prompt_id)

    async def result(self, prompt_id: str) -> RunResult:
        if self.result_errors:
            raise self.result_errors.pop(0)
        return self.result_of

    async def fetch(self, ref: OutputRef) -> OutputFile:
        self.fetched.append(ref)
        if not self.online:
            raise ServerOfflineError(self.name)
        if self.fetch_errors:
            raise self.fetch_errors.pop(0)
        return OutputFile(ref, b"picture")


@dataclass
class Board:
    """Remembers what every job's message showed."""

    updates: list[tuple[str, JobUpdate]] = field(default_factory=list)
    delivered: dict[str, tuple[Sequence[OutputFile], str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    answers: list[Delivery | Exception] = field(default_factory=list)
    """What becomes of the next attempts to tell an end; after that, all arrive."""
    tries: int = 0
    in_the_air: set[str] = field(default_factory=set)
    """Jobs of which an edit is on its way until `landed`."""
    landed: asyncio.Event = field(default_factory=asyncio.Event)

    def update(self, job: Job, update: JobUpdate) -> None:
        self.updates.append((job.id, update))

    edited: float = 0.0
    """When messages were edited last, as `forget` says it."""

    def forget(self, job_id: str) -> float:
        return ON_ITS_WAY if job_id in self.in_the_air else self.edited

    async def wait_for_edit(self, job_id: str) -> None:
        if job_id in self.in_the_air:
            await self.landed.wait()
        self.in_the_air.discard(job_id)

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
        if (told := self._answer()) is not Delivery.PENDING:
            assert job.id not in self.delivered, "delivered twice"
            self.delivered[job.id] = (outputs, str(note or ""))
        return told

    async def fail(self, job: Job, reason: Message) -> Delivery:
        if (told := self._answer()) is not Delivery.PENDING:
            assert job.id not in self.failed, "failed twice"
            self.failed[job.id] = str(reason)
        return told

    def _answer(self) -> Delivery:
        self.tries += 1
        answer = self.answers.pop(0) if self.answers else Delivery.SENT
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def find_answer(self, place: MessageLocation) -> int | None:
        return place.message_id


@dataclass
class MemoryResultStore:
    """Keeps results in memory, by job."""

    files: dict[str, Sequence[OutputFile]] = field(default_factory=dict)

    async def put(self, job_id: str, files: Sequence[OutputFile]) -> None:
        self.files[job_id] = files

    async def get(self, job_id: str) -> Sequence[OutputFile]:
        return self.files.get(job_id, ())

    async def drop(self, job_id: str) -> None:
        self.files.pop(job_id, None)

    async def older_than(self, time: float) -> Sequence[str]:
        raise NotImplementedError

    async def clear_leftovers(self, before: float) -> None:
        raise NotImplementedError


@dataclass
class FewPlaces:
    """A `CapacityEstimator` without a fleet: servers, by the seconds in which each is free."""

    seconds: Callable[[], Sequence[float]]
    are_drained: bool = False

    def invalidate(self) -> None:
        pass

    async def estimate(self, running: Sequence[Job]) -> Sequence[float]:
        return self.seconds()


@dataclass
class Reasons:
    """What holds jobs back: `bot.jobs.scheduling.blockers.StartBlockers` without pauses and verdicts."""

    by_workflow: dict[str, Message] = field(default_factory=dict)

    def invalidate(self) -> None:
        pass

    async def refresh(self, classes: Iterable[str]) -> None:
        pass

    def of(self, job: QueueEntry, account: AccountStatus | None) -> Message | None:
        return self.by_workflow.get(job.workflow)


def spec(**changes: object) -> RunSpec:
    """A run of two nodes."""
    graph: JsonGraph = {
        "3": {"class_type": "KSampler", "inputs": {"steps": 20, "seed": 1}, "_meta": {"title": "Sampler"}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0]}, "_meta": {"title": "Save"}},
    }
    return RunSpec(**({"workflow": "imagine", "title": "Imagine", "graph": graph} | changes))  # type: ignore[arg-type]


def place(interaction_id: int = 1) -> MessageLocation:
    """Where a message is."""
    return MessageLocation(
        interaction_id=interaction_id,
        application_id=1,
        token="token",
        token_expires=1_800_000_900.0,
        channel_id=2,
        message_id=3,
        guild_id=4,
    )


def requester(user_id: int = 7) -> Requester:
    """Somebody who asks."""
    return Requester(user_id=user_id, name="Ann")
