"""After the run: what is made reaches its member, once, however often Discord has to be asked."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from bot.errors import FailedError
from bot.i18n import Message, _
from bot.jobs.delivery.schedule import RETRY_FIRST, RETRY_PERIOD, VISIBILITY_TIMEOUT
from bot.jobs.delivery.service import MAX_CONCURRENT
from bot.jobs.job import Delivery, Job, JobState, StaleJobError
from bot.jobs.outcome import Outcome
from bot.workflow.run.events import (
    FailureKind,
    OutputFile,
    RunEnded,
    RunFailure,
    RunResult,
    ServerFaultError,
    ServerOfflineError,
)
from tests.jobs.doubles import REF, Board, ScriptedBackend, spec
from tests.jobs.queue_setup import (
    Shop,
    new_job,
    opened,
    until,
)


async def told(shop: Shop, job: Job) -> Job:
    """Return the job once somebody was told, with time passing."""
    for _attempt in range(3000):
        if (newest := await shop.newest(job)).delivery in (Delivery.SENT, Delivery.UNDELIVERABLE):
            return newest
        await shop.passes(1)
    raise AssertionError("nobody is told")


async def test_a_result_is_on_the_shelf_before_anybody_is_told_and_stays_there(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
        newest = await shop.newest(job)
        assert [file.data for file in await shop.results.get(job.id)] == [b"picture"]
    assert (newest.delivery, newest.outputs) == (Delivery.SENT, (REF,))
    assert newest.started <= newest.finished


async def test_while_discord_is_away_the_result_is_tried_less_and_less_often(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING] * 4
        job = await shop.order()
        await until(lambda: shop.board.tries == 1)
        pauses: list[float] = []
        for tries in range(2, 6):
            began = shop.clock.now()
            while shop.board.tries < tries:
                await shop.passes(1)
            pauses.append(shop.clock.now() - began)
        assert await shop.ended(job) is JobState.DONE
    assert pauses[0] >= RETRY_FIRST - 1
    assert pauses == sorted(pauses)
    assert pauses[-1] <= RETRY_FIRST * 8 + 5


async def test_a_failure_that_could_not_be_told_is_told_later(tmp_path: Path) -> None:
    backend = ScriptedBackend(result_of=RunResult(failure=RunFailure(FailureKind.OUT_OF_MEMORY)))
    async with opened(backend, tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING, Delivery.PENDING]
        job = await shop.order()
        assert (await told(shop, job)).state is JobState.FAILED
    assert "memory" in shop.board.failed[job.id]


async def test_what_a_message_can_show_no_more_is_kept_for_its_member(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.UNDELIVERABLE]
        job = await shop.order()
        newest = await told(shop, job)
    assert (newest.state, newest.delivery) == (JobState.DONE, Delivery.UNDELIVERABLE)


async def test_after_a_day_nobody_tries_any_more_and_the_result_waits_in_the_history(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING] * 1000
        job = await shop.order()
        await shop.reaches(job, JobState.DELIVERING)
        newest = await shop.newest(job)
        newest = await shop.store.update(newest, finished=shop.clock.now() - RETRY_PERIOD)
        newest = await told(shop, job)
        assert (newest.state, newest.delivery) == (JobState.DONE, Delivery.UNDELIVERABLE)
        assert await shop.results.get(job.id), "for `/history`"


async def test_pictures_that_can_be_shown_in_no_way_end_in_a_sentence(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [FailedError(_("Discord takes no file of this kind."))]
        job = await shop.order()
        newest = await told(shop, job)
    assert newest.state is JobState.FAILED
    assert shop.board.failed[job.id] == "Discord takes no file of this kind."


async def test_a_fault_of_ours_while_telling_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [RuntimeError("a mistake")]
        job = await shop.order()
        assert (await told(shop, job)).state is JobState.DONE
    assert "delivery crashed" in caplog.text


async def test_a_result_that_is_not_on_the_shelf_is_fetched_from_the_server_again(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING]
        job = await shop.order()
        await until(lambda: shop.board.tries == 1)
        await shop.results.drop(job.id)
        shop.backend.fetch_errors = [ServerOfflineError("gpu1")]
        newest = await told(shop, job)
    assert newest.state is JobState.DONE
    assert [file.data for file in shop.board.delivered[job.id][0]] == [b"picture"]


async def test_a_result_that_is_nowhere_any_more_is_said_to_be_gone(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING]
        job = await shop.order()
        await until(lambda: shop.board.tries == 1)
        await shop.results.drop(job.id)
        shop.backend.fetch_errors = [ServerFaultError(404, "")]
        newest = await told(shop, job)
    assert newest.state is JobState.FAILED
    assert "files are gone" in shop.board.failed[job.id]


async def test_a_disk_that_is_full_costs_no_result(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "results").write_text("a file stands where the folder should be")
    async with opened(ScriptedBackend(), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert job.id in shop.board.delivered
    assert "cannot store its result" in caplog.text


async def test_only_so_many_are_told_at_the_same_time_and_all_in_the_end(tmp_path: Path) -> None:
    class SlowBoard(Board):
        def __init__(self) -> None:
            super().__init__()
            self.open = asyncio.Event()
            self.now = self.most = 0

        async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
            self.now += 1
            self.most = max(self.most, self.now)
            await self.open.wait()
            self.now -= 1
            return await super().deliver(job, outputs, note)

    board = SlowBoard()
    async with opened(ScriptedBackend(), tmp_path, board=board) as shop:
        jobs = [await shop.order() for _ in range(MAX_CONCURRENT + 6)]
        for job in jobs:
            await shop.reaches(job, JobState.DELIVERING)
        await until(lambda: board.now == MAX_CONCURRENT)
        board.open.set()
        assert [await shop.ended(job) for job in jobs] == [JobState.DONE] * len(jobs)
    assert board.most == MAX_CONCURRENT


async def test_a_job_that_is_being_told_for_long_is_told_by_nobody_else(tmp_path: Path) -> None:
    class SlowBoard(Board):
        def __init__(self) -> None:
            super().__init__()
            self.open = asyncio.Event()
            self.begun = 0

        async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
            self.begun += 1
            await self.open.wait()
            return await super().deliver(job, outputs, note)

    board = SlowBoard()
    async with opened(ScriptedBackend(), tmp_path, board=board) as shop:
        job = await shop.order()
        await until(lambda: board.begun == 1)
        await shop.passes(4 * VISIBILITY_TIMEOUT)
        assert board.begun == 1
        board.open.set()
        assert await shop.ended(job) is JobState.DONE


async def test_a_job_that_was_taken_over_meanwhile_is_neither_changed_nor_told(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await until(lambda: bool(backend.watched))
        taken = await shop.store.take_over(job.id)
        assert taken is not None
        backend.end.set()
        await shop.passes(5)
        assert (await shop.newest(job)).epoch == taken.epoch
        assert shop.board.tries == 0
        with pytest.raises(StaleJobError):
            await shop.staff.delivery_service.fail(job, _("no"))
        with pytest.raises(StaleJobError):
            await shop.staff.delivery_service.succeed(job, Outcome((), None))
        assert shop.board.tries == 0


async def test_a_failure_before_the_line_is_told_too(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        held = new_job(spec(), 9, created=shop.clock.now(), state=JobState.HELD)
        await shop.store.add(held)
        await shop.staff.delivery_service.fail(held, _("This picture cannot be read."))
        newest = await told(shop, held)
    assert newest.state is JobState.FAILED
    assert shop.board.failed[held.id] == "This picture cannot be read."


async def test_an_orderly_stop_lets_a_delivery_arrive_and_leaves_runs_alone(tmp_path: Path) -> None:
    class SlowBoard(Board):
        async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
            await asyncio.sleep(1.0)
            return await super().deliver(job, outputs, note)

    backend = ScriptedBackend(script=[[RunEnded()], [RunEnded()]])
    async with opened(backend, tmp_path, board=SlowBoard(), depth=1) as shop:
        first = await shop.order()
        await shop.reaches(first, JobState.DELIVERING)
        backend.end.clear()
        second = await shop.order()
        await until(lambda: len(backend.submitted) == 2)
        await shop.staff.stop()
        assert await shop.state(first) is JobState.DONE
        assert await shop.state(second) is JobState.RUNNING
    assert backend.interrupted == []


async def test_a_result_that_was_put_off_is_delivered_at_once_when_its_member_asks(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING]
        job = await shop.order()
        await until(lambda: shop.board.tries == 1)
        assert await shop.staff.delivery_service.deliver_now(await shop.newest(job))
        newest = await shop.newest(job)
    assert (newest.state, newest.delivery) == (JobState.DONE, Delivery.SENT)
    assert [file.data for file in shop.board.delivered[job.id][0]] == [b"picture"]


async def test_earlier_failures_do_not_delay_the_retry_of_what_a_member_asks_for(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING, Delivery.PENDING]
        job = await shop.order()
        await until(lambda: shop.board.tries == 1)
        await shop.passes(1)
        await shop.store.update(await shop.newest(job), tries=9, not_before=shop.clock.now() + 500)
        assert await shop.staff.delivery_service.deliver_now(await shop.newest(job))
        assert (await shop.newest(job)).not_before <= shop.clock.now() + RETRY_FIRST
        assert await shop.ended(job) is JobState.DONE


async def test_a_result_that_is_still_being_fetched_is_left_to_its_process(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        shop.board.answers = [Delivery.PENDING]
        job = await shop.order()
        await until(lambda: shop.board.tries == 1)
        await shop.results.drop(job.id)
        newest = await shop.newest(job)
        assert not await shop.staff.delivery_service.deliver_now(newest)
        assert (await shop.newest(job)).epoch == newest.epoch


@pytest.mark.parametrize("is_stored", [True, False], ids=["too large", "expired"])
async def test_a_delivered_result_that_cannot_be_shown_again_stays_done(tmp_path: Path, is_stored: bool) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
        if is_stored:
            shop.board.answers = [FailedError(_("The result is too large."))]
        else:
            await shop.results.drop(job.id)
        assert await shop.staff.delivery_service.deliver_now(await shop.newest(job))
        newest = await shop.newest(job)
    assert newest.state is JobState.DONE
    assert newest.delivery is (Delivery.UNDELIVERABLE if is_stored else Delivery.SENT)
    assert ("too large" if is_stored else "expired") in shop.board.failed[job.id]
