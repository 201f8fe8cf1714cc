"""Cancelling jobs that a server has: stopped by id, told truthfully, and delivered when they were done already."""

import asyncio
from pathlib import Path

from bot.jobs.execution.cancellation import JobCanceller
from bot.jobs.job import Job, JobState
from bot.jobs.status import CancellingStatus
from bot.workflow.run.events import (
    FailureKind,
    RunEnded,
    RunFailure,
    RunLost,
    RunResult,
    RunStarted,
    ServerOfflineError,
)
from tests.clocks import settle
from tests.jobs.doubles import REF, ScriptedBackend
from tests.jobs.queue_setup import Shop, opened

ANN, MODERATOR = 7, 99
STOPPED = RunResult(failure=RunFailure(FailureKind.INTERRUPTED))


def canceller(shop: Shop) -> JobCanceller:
    return JobCanceller(
        store=shop.store,
        queue=shop.queue,
        delivery_service=shop.staff.delivery_service,
        executors=lambda: [shop.staff.executor],
        bus=shop.staff.bus,
        clock=shop.clock,
    )


async def on_the_server(shop: Shop) -> Job:
    """Bring a job to where the server works on it."""
    job = await shop.order()
    await shop.reaches(job, JobState.RUNNING)
    for _ in range(200):
        if shop.backend.submitted:
            break
        await asyncio.sleep(0.005)
    await settle()
    return job


async def test_a_waiting_job_never_reaches_the_server(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.up.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await canceller(shop).cancel(job.id, ANN)
        assert await shop.ended(job) is JobState.CANCELLED
        backend.up.set()
        await shop.passes(5)
    assert backend.submitted == []
    assert shop.board.failed[job.id] == "Cancelled."


async def test_a_running_job_is_stopped_by_its_id_and_nobody_elses(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], result_of=STOPPED)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await on_the_server(shop)
        asked = await canceller(shop).cancel(job.id, MODERATOR)
        assert asked is not None
        await settle()
        assert backend.interrupted == [asked.prompt_id]
        assert shop.board.updates[-1] == (job.id, CancellingStatus())
        backend.end.set()
        assert await shop.ended(job) is JobState.CANCELLED
    assert shop.board.failed[job.id] == "Cancelled by a moderator."


async def test_a_prompt_that_waited_on_the_server_is_gone_without_a_word(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunLost()]])
    backend.gate.clear()
    async with opened(backend, tmp_path) as shop:
        job = await on_the_server(shop)
        await canceller(shop).cancel(job.id, ANN)
        backend.gate.set()
        assert await shop.ended(job) is JobState.CANCELLED
    assert len(backend.submitted) == 1


async def test_what_was_done_meanwhile_is_delivered(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], result_of=RunResult(outputs=(REF,)))
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await on_the_server(shop)
        await canceller(shop).cancel(job.id, ANN)
        backend.end.set()
        assert await shop.ended(job) is JobState.DONE
    assert job.id in shop.board.delivered


async def test_a_server_that_does_not_listen_is_asked_again(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], result_of=STOPPED)
    backend.end.clear()
    backend.interrupt_errors.append(ServerOfflineError("gpu1"))
    async with opened(backend, tmp_path) as shop:
        job = await on_the_server(shop)
        await canceller(shop).cancel(job.id, ANN)
        await shop.passes(6)
        assert len(backend.interrupted) == 1
        backend.end.set()
        assert await shop.ended(job) is JobState.CANCELLED


async def test_a_wish_that_came_another_way_is_found(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], result_of=STOPPED)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await on_the_server(shop)
        await shop.store.cancel(job.id, MODERATOR, shop.clock.now())
        await canceller(shop).poll()
        await settle()
        assert len(backend.interrupted) == 1
        backend.end.set()
        assert await shop.ended(job) is JobState.CANCELLED
