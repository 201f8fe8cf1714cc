"""What an earlier process left behind on a server, and what becomes of it: only the server's answer is a verdict."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bot.i18n import _
from bot.jobs.job import Delivery, Job, JobState
from bot.jobs.repository import DatabaseUnavailableError
from bot.jobs.status import RunningStatus, ServerOffline
from bot.workflow.run.events import (
    Accepted,
    FaultKind,
    GraphFault,
    OutputFile,
    PromptLocation,
    RunEnded,
    RunStarted,
    ServerOfflineError,
)
from tests.jobs.doubles import REF, ScriptedBackend, spec
from tests.jobs.queue_setup import (
    OWNER,
    Shop,
    new_job,
    opened,
    until,
)

OLD_ID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"


def left(job: Job, *, owner: str = OWNER, **changes: Any) -> Callable[[Shop], Awaitable[None]]:
    """Return what an earlier process did: it claimed the job, and came as far as `changes` say."""

    async def before(shop: Shop) -> None:
        key = shop.backend.key
        await shop.store.add(job)
        await shop.store.acquire_leases([key], owner, 30.0)
        claimed = await shop.store.claim(key, owner, OLD_ID, shop.clock.now())
        if changes:
            await shop.store.update(claimed, **({"started": 0.0} | changes))

    return before


@pytest.fixture
def job() -> Job:
    return new_job(spec(), 101, created=1_800_000_000.0)


async def test_what_was_never_posted_is_posted_under_the_same_id(tmp_path: Path, job: Job) -> None:
    async with opened(ScriptedBackend(), tmp_path, before=left(job)) as shop:
        assert await shop.ended(job) is JobState.DONE
        assert (await shop.newest(job)).attempts == 1
    assert [prompt_id for prompt_id, _graph in shop.backend.submitted] == [OLD_ID]


@pytest.mark.parametrize("where", [PromptLocation.PENDING, PromptLocation.RUNNING])
async def test_what_is_on_the_server_is_followed(tmp_path: Path, job: Job, where: PromptLocation) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], where=where)
    async with opened(backend, tmp_path, before=left(job, posted=True)) as shop:
        assert await shop.ended(job) is JobState.DONE
    assert (backend.submitted, backend.watched) == ([], [OLD_ID])


async def test_what_is_finished_is_fetched_and_delivered(tmp_path: Path, job: Job) -> None:
    backend = ScriptedBackend(script=[[]], where=PromptLocation.FINISHED)
    async with opened(backend, tmp_path, before=left(job, posted=True, started=5.0)) as shop:
        assert await shop.ended(job) is JobState.DONE
        assert (await shop.newest(job)).started == 5.0
    assert backend.submitted == []


@pytest.mark.parametrize(("started", "losses"), [(1_800_000_000.0, 1), (0.0, 0)])
async def test_what_is_nowhere_runs_again_under_a_new_id(tmp_path: Path, job: Job, started: float, losses: int) -> None:
    backend = ScriptedBackend(where=PromptLocation.UNKNOWN)
    async with opened(backend, tmp_path, before=left(job, posted=True, started=started)) as shop:
        assert await shop.ended(job) is JobState.DONE
        newest = await shop.newest(job)
    assert (newest.losses, newest.attempts) == (losses, 2), "only a run that had begun may have been the reason"
    [(prompt_id, _graph)] = backend.submitted
    assert prompt_id != OLD_ID


async def test_while_the_server_is_away_nothing_is_decided_and_the_member_is_told(tmp_path: Path, job: Job) -> None:
    backend = ScriptedBackend(where=PromptLocation.FINISHED)
    backend.up.clear()
    backend.locate_errors = [ServerOfflineError("gpu1")] * 3
    async with opened(backend, tmp_path, before=left(job, posted=True)) as shop:
        await until(lambda: (job.id, ServerOffline()) in shop.board.updates)
        await shop.passes(120)
        assert await shop.state(job) is JobState.RUNNING
        backend.up.set()
        assert await shop.ended(job) is JobState.DONE
    assert backend.submitted == []


async def test_prompts_that_were_there_before_take_places(tmp_path: Path, job: Job) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], where=PromptLocation.RUNNING)
    backend.end.clear()
    async with opened(backend, tmp_path, depth=1, before=left(job, posted=True)) as shop:
        await until(lambda: bool(backend.watched))
        other = await shop.order()
        await shop.passes(5)
        assert await shop.state(other) is JobState.QUEUED
        backend.end.set()
        assert await shop.ended(job) is JobState.DONE
        assert await shop.ended(other) is JobState.DONE


async def test_what_the_server_had_dropped_is_still_known(tmp_path: Path) -> None:
    fault = GraphFault(FaultKind.NOT_IN_LIST, node_id="3", input_name="sampler_name", received="warp")
    backend = ScriptedBackend(accepted=Accepted((fault,)), where=PromptLocation.FINISHED)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await until(lambda: any(isinstance(update, RunningStatus) for _id, update in shop.board.updates))
        await shop.staff.crash()
        kept = await shop.newest(job)
        left_behind = left(new_job(kept.spec, 2, created=1.0), posted=True, note=kept.note)
    async with opened(backend, tmp_path, before=left_behind) as shop:
        await until(lambda: bool(shop.board.delivered))
    [(_files, note)] = shop.board.delivered.values()
    assert "warp" in note


async def test_a_result_on_the_shelf_needs_no_server(tmp_path: Path, job: Job) -> None:
    async def before(shop: Shop) -> None:
        await left(job, posted=True)(shop)
        claimed = await shop.newest(job)
        await shop.results.put(job.id, [OutputFile(REF, b"from the shelf")])
        await shop.store.transition(claimed, JobState.DELIVERING, delivery=Delivery.PENDING, outputs=(REF,))

    backend = ScriptedBackend()
    backend.up.clear()
    async with opened(backend, tmp_path, before=before) as shop:
        assert await shop.ended(job) is JobState.DONE
    assert [file.data for file in shop.board.delivered[job.id][0]] == [b"from the shelf"]
    assert (backend.fetched, backend.submitted) == ([], [])


async def test_an_end_that_was_not_told_is_told_at_once_whoever_was_about_to(tmp_path: Path, job: Job) -> None:
    async def before(shop: Shop) -> None:
        await left(job, posted=True)(shop)
        claimed = await shop.newest(job)
        later = shop.clock.now() + 3600
        await shop.store.transition(
            claimed, JobState.FAILED, error=_("It broke."), delivery=Delivery.PENDING, not_before=later
        )

    async with opened(ScriptedBackend(), tmp_path, before=before) as shop:
        await until(lambda: job.id in shop.board.failed)
    assert shop.board.failed[job.id] == "It broke."


async def test_what_another_instance_has_is_left_alone_until_its_lease_has_run_out(tmp_path: Path, job: Job) -> None:
    backend = ScriptedBackend(where=PromptLocation.FINISHED)
    async with opened(backend, tmp_path, before=left(job, owner="another-bot", posted=True)) as shop:
        await shop.passes(20)
        assert (await shop.newest(job)).epoch == 1
        assert backend.watched == []
        await shop.passes(20)
        assert await shop.ended(job) is JobState.DONE
    assert backend.submitted == []


class DownStore:
    """A store that can be switched off."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.down = False

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **changes: Any) -> Any:
            if self.down:
                raise DatabaseUnavailableError
            return await getattr(self._real, name)(*args, **changes)

        return call


async def test_a_database_that_is_away_for_a_while_costs_no_job_and_no_second_run(tmp_path: Path) -> None:
    stores: list[DownStore] = []

    def around(real: Any) -> DownStore:
        stores.append(DownStore(real))
        return stores[0]

    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], where=PromptLocation.FINISHED)
    backend.end.clear()
    async with opened(backend, tmp_path, around=around, depth=1) as shop:
        job = await shop.order()
        other = await shop.order()
        await until(lambda: any(isinstance(update, RunningStatus) for _id, update in shop.board.updates))
        stores[0].down = True
        backend.end.set()
        await shop.passes(60)
        assert await shop.state(job) is JobState.RUNNING
        assert not shop.board.delivered
        stores[0].down = False
        assert await shop.ended(job) is JobState.DONE
        assert await shop.ended(other) is JobState.DONE
    assert len(backend.submitted) == 2


async def test_a_claim_of_which_nobody_heard_is_noticed_by_the_sweep(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        await until(lambda: shop.staff.leases.holds(shop.backend.key))
        await asyncio.sleep(0.05)
        job = new_job(spec(), 7, created=shop.clock.now())
        await shop.store.add(job)
        # the runner does not look by itself: its clock stands still
        assert await shop.store.claim(shop.backend.key, OWNER, OLD_ID, shop.clock.now())
        await shop.worker.take_orphans()
        assert (await shop.newest(job)).epoch == 1, "it may be about to arrive"
        await shop.worker.take_orphans()
        assert await shop.ended(job) is JobState.DONE
    assert [prompt_id for prompt_id, _graph in shop.backend.submitted] == [OLD_ID]
