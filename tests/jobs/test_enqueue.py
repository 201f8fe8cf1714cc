"""Taking requests in: what is written down before Discord is answered, and what becomes of it when that breaks off."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from bot.errors import FailedError, OfflineError
from bot.i18n import Message, verbatim
from bot.jobs.cluster.bus import LocalBus
from bot.jobs.delivery.service import DeliveryService
from bot.jobs.enqueue import Enqueuer
from bot.jobs.job import Delivery, Job, JobState, MessageLocation
from bot.jobs.maintenance.recovery import Recovery
from bot.jobs.repository import DuplicateJobError
from bot.jobs.scheduling.blockers import StartBlockers
from bot.jobs.scheduling.capacity import CapacityEstimator
from bot.jobs.scheduling.dispatcher import Dispatcher
from bot.jobs.scheduling.queue_view import QueueView
from bot.jobs.scheduling.run_times import RunTimeEstimates
from bot.jobs.server_registry import ServerRecord, ServerRegistry
from bot.jobs.status import JobUpdate
from bot.storage.jobs.repository import SqlJobRepository
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import InputFile, OutputFile
from bot.workflow.run.spec import RunSpec, Upload
from tests.clocks import ManualClock, settle
from tests.databases import line, memory_store
from tests.jobs.doubles import FewPlaces, MemoryResultStore, Reasons, place, requester, spec

US, BEFORE = "instance-a", "instance-before"
SERVER = "http://127.0.0.1:8188"
UNREAD = RunSpec(workflow="upscale", title="Upscale", graph={})
LATER = "restarted"


@dataclass
class Discord:
    """What members were answered and told; `answer` is what Discord knows of an interaction."""

    answer: int | None = 33
    is_lost: bool = False
    """Whether nobody can find out any more."""
    away: int = 0
    """How many of the next questions get no answer."""
    told: dict[str, str] = field(default_factory=dict)

    def update(self, job: Job, update: JobUpdate) -> None:
        pass

    def forget(self, job_id: str) -> float:
        return 0.0

    async def wait_for_edit(self, job_id: str) -> None:
        raise NotImplementedError

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
        raise NotImplementedError

    async def fail(self, job: Job, reason: Message) -> Delivery:
        self.told[job.id] = str(reason)
        return Delivery.SENT

    async def find_answer(self, place: MessageLocation) -> int | None:
        if self.away:
            self.away -= 1
            raise OfflineError(verbatim("away"))
        if self.is_lost:
            raise FailedError(verbatim(LATER))
        return self.answer


@dataclass
class Desk:
    """Where requests are taken in."""

    store: SqlJobRepository
    discord: Discord
    clock: ManualClock
    enqueuer: Enqueuer
    recovery: Recovery

    async def state(self, job: Job) -> JobState:
        newest = await self.store.get(job.id)
        assert newest is not None
        return newest.state

    async def becomes(self, job: Job, state: JobState) -> Job:
        """Return the job once it is in this state."""
        for _ in range(200):
            newest = await self.store.get(job.id)
            if newest is not None and newest.state is state:
                return newest
            await asyncio.sleep(0.01)
        raise AssertionError(f"{await self.store.get(job.id)} did not become {state}")


class Fleet:
    """The servers that are written down."""

    async def servers(self) -> Sequence[ServerRecord]:
        return [ServerRecord(key=SERVER, url=SERVER, name="gpu1")]


@asynccontextmanager
async def opened(*, owner: str = US, store: SqlJobRepository | None = None) -> AsyncGenerator[Desk]:
    async with memory_store() as fresh:
        kept = store or fresh
        clock, discord = ManualClock(), Discord()
        run_times, bus = RunTimeEstimates(), LocalBus()
        queue_view = QueueView(
            store=kept,
            run_times=run_times,
            capacity=cast("CapacityEstimator", FewPlaces(lambda: [0.0])),
            blockers=cast("StartBlockers", Reasons()),
            clock=clock,
        )
        queue = Dispatcher(store=kept, presenter=discord, queue_view=queue_view, bus=bus, clock=clock, owner=owner)
        delivery_service = DeliveryService(
            store=kept,
            presenter=discord,
            results=MemoryResultStore(),
            find=lambda _key: None,
            bus=bus,
            owner=owner,
            clock=clock,
        )
        enqueuer = Enqueuer(
            store=kept,
            queue=queue,
            presenter=discord,
            delivery_service=delivery_service,
            run_times=run_times,
            clock=clock,
            owner=owner,
        )
        recovery = Recovery(
            store=kept,
            queue=queue,
            enqueuer=enqueuer,
            delivery_service=delivery_service,
            clock=clock,
            owner=owner,
            fleet=cast("ServerRegistry", Fleet()),
            alone=True,
        )
        running = asyncio.create_task(delivery_service.run())
        try:
            yield Desk(kept, discord, clock, enqueuer, recovery)
        finally:
            await enqueuer.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def unanswered(interaction_id: int = 1) -> MessageLocation:
    return replace(place(interaction_id), message_id=0)


async def test_a_request_is_written_down_before_it_stands_in_the_line() -> None:
    async with opened() as desk:
        job = await desk.enqueuer.reserve(spec(), requester(), unanswered())
        assert await desk.state(job) is JobState.HELD
        assert await line(desk.store) == []
        admitted = await desk.enqueuer.enqueue(job, spec(), place())
        assert (admitted.state, admitted.place.message_id) == (JobState.QUEUED, 3)
        assert await line(desk.store) == [job.id]


async def test_pictures_come_with_the_admission() -> None:
    picture = Upload(InputFile("cc_1.png", b"pixels", 1, 1), (Target("3", "image"),))
    async with opened() as desk:
        job = await desk.enqueuer.reserve(UNREAD, requester(), unanswered())
        admitted = await desk.enqueuer.enqueue(job, spec(uploads=(picture,)), place())
        whole = await desk.store.with_inputs(admitted)
        assert whole.spec.uploads == (picture,)
        assert whole.spec.graph == spec().graph


async def test_an_event_that_comes_twice_is_one_request() -> None:
    async with opened() as desk:
        await desk.enqueuer.reserve(spec(), requester(), unanswered())
        with pytest.raises(DuplicateJobError):
            await desk.enqueuer.reserve(spec(), requester(), unanswered())


async def test_a_refused_request_ends_without_another_word() -> None:
    async with opened() as desk:
        job = await desk.enqueuer.reserve(UNREAD, requester(), unanswered())
        await desk.enqueuer.refuse(job, verbatim("no picture"))
        ended = await desk.becomes(job, JobState.FAILED)
        assert (ended.delivery, str(ended.error)) == (Delivery.SENT, "no picture")
        await desk.clock.advance(100.0)
        assert desk.discord.told == {}


async def test_after_a_crash_an_answered_request_goes_on() -> None:
    async with memory_store() as store:
        async with opened(store=store) as crashed:
            job = await crashed.enqueuer.reserve(spec(), requester(), unanswered())
        async with opened(store=store) as desk:
            await desk.recovery.at_start()
            queued = await desk.becomes(job, JobState.QUEUED)
            assert queued.place.message_id == 33


async def test_after_a_crash_a_request_that_was_never_answered_is_dropped() -> None:
    async with memory_store() as store:
        async with opened(store=store) as crashed:
            job = await crashed.enqueuer.reserve(spec(), requester(), unanswered())
        async with opened(store=store) as desk:
            desk.discord.answer = None
            await desk.recovery.at_start()
            await desk.becomes(job, JobState.CANCELLED)
            await desk.clock.advance(100.0)
            assert desk.discord.told == {}, "the member saw that the command failed"


async def test_after_a_crash_a_half_read_request_asks_to_be_repeated() -> None:
    async with memory_store() as store:
        async with opened(store=store) as crashed:
            job = await crashed.enqueuer.reserve(UNREAD, requester(), unanswered())
        async with opened(store=store) as desk:
            await desk.recovery.at_start()
            failed = await desk.becomes(job, JobState.FAILED)
            assert failed.place.message_id == 33
            await settle()
            assert LATER in desk.discord.told[job.id]


async def test_who_may_have_been_answered_is_told_when_nobody_can_find_out_any_more() -> None:
    async with opened() as desk:
        job = await desk.enqueuer.reserve(spec(), requester(), unanswered())
        desk.discord.is_lost = True
        desk.enqueuer.resolve_later(job)
        await desk.becomes(job, JobState.FAILED)
        await settle()
        assert LATER in desk.discord.told[job.id]


async def test_while_discord_is_away_a_request_in_doubt_waits() -> None:
    async with opened() as desk:
        job = await desk.enqueuer.reserve(spec(), requester(), unanswered())
        desk.discord.away = 3
        desk.enqueuer.resolve_later(job)
        await settle()
        assert await desk.state(job) is JobState.HELD
        for _ in range(20):
            await desk.clock.advance(1.0)
        await desk.becomes(job, JobState.QUEUED)


async def test_what_this_process_reads_is_no_stray_of_its_own() -> None:
    async with opened() as desk:
        job = await desk.enqueuer.reserve(UNREAD, requester(), unanswered())
        looking = asyncio.create_task(desk.recovery.run())
        for _ in range(5):
            await desk.clock.advance(60.0)
        assert await desk.state(job) is JobState.HELD
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def test_a_job_on_a_server_that_is_no_longer_used_goes_back_into_the_line() -> None:
    async with memory_store() as store:
        async with opened(store=store, owner=BEFORE) as desk:
            job = await desk.enqueuer.reserve(spec(), requester(), unanswered())
            await desk.enqueuer.enqueue(job, spec(), place())
            await store.acquire_leases(["http://gone:8188"], BEFORE, 30.0)
            assert await store.claim("http://gone:8188", BEFORE, "prompt-1", desk.clock.now())
            await store.release_leases(BEFORE)
        async with opened(store=store) as desk:
            await desk.recovery.at_start()
            await desk.becomes(job, JobState.QUEUED)
