"""The runner: every job ends once, truthfully, whatever the server does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bot.jobs.job import Job, JobState
from bot.jobs.queue import JobQueue
from bot.jobs.runner import MAX_ATTEMPTS, Runner
from bot.jobs.store import MemoryStore
from bot.jobs.updates import Away, Running, Waiting
from bot.workflow.definitions import Definitions, InputDefinition, NodeDefinition
from bot.workflow.execution import (
    Accepted,
    FailureKind,
    FaultKind,
    GraphFault,
    GraphRejectedError,
    InputFile,
    OutputRef,
    OutputsWritten,
    Preview,
    Progress,
    RunEnded,
    RunFailure,
    RunLost,
    RunResult,
    RunStarted,
    ServerFaultError,
    ServerOfflineError,
    Whereabouts,
)
from bot.workflow.spec import RunSpec, Target, Upload
from tests.clocks import ManualClock, settle
from tests.jobs.doubles import REF, Board, ScriptedBackend, place, requester, spec


@dataclass
class Shop:
    """A queue with one server, and what its members see."""

    backend: ScriptedBackend
    board: Board
    store: MemoryStore
    queue: JobQueue
    clock: ManualClock
    runner: Runner
    numbers: int = 0

    async def order(self, what: RunSpec | None = None) -> Job:
        self.numbers += 1
        return await self.queue.submit(what or spec(), requester(), place(self.numbers))

    async def state(self, job: Job) -> JobState:
        newest = await self.store.get(job.id)
        assert newest is not None
        return newest.state

    async def ended(self, job: Job) -> JobState:
        for _ in range(5000):
            if (state := await self.state(job)).is_final:
                return state
            await asyncio.sleep(0.001)
        raise AssertionError(f"job {job.id} does not end")


@asynccontextmanager
async def opened(backend: ScriptedBackend, *, depth: int = 2) -> AsyncIterator[Shop]:
    clock, board, store = ManualClock(), Board(), MemoryStore()
    queue = JobQueue(store=store, presenter=board, clock=clock, any_online=lambda: backend.online)
    runner = Runner(backend=backend, store=store, queue=queue, presenter=board, clock=clock, depth=depth)
    task = asyncio.create_task(runner.run())
    try:
        yield Shop(backend, board, store, queue, clock, runner)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_job_ends_with_its_pictures() -> None:
    backend = ScriptedBackend(
        script=[[RunStarted(), Progress("3", 10, 20), Preview(b"half", "image/jpeg"), RunEnded()]]
    )
    async with opened(backend) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.data for file in files] == [b"picture"]
    assert note == ""
    running = [update for _, update in shop.board.updates if isinstance(update, Running)]
    assert (running[-1].step, running[-1].steps, running[-1].preview) == (10, 20, b"half")
    assert 0.4 < (running[-1].fraction or 0) < 0.6


async def test_pictures_are_uploaded_and_their_returned_names_bound() -> None:
    picture = InputFile("cc_1.png", b"bytes", 1, 1)
    what = spec(uploads=(Upload(picture, (Target("3", "image"),)),))
    async with opened(ScriptedBackend()) as shop:
        assert await shop.ended(await shop.order(what)) is JobState.DONE
    assert shop.backend.submitted[0][1]["3"]["inputs"]["image"] == "stored_cc_1.png"
    assert "image" not in what.graph["3"]["inputs"], "the job's own graph stays as it was accepted"


async def test_a_model_left_open_becomes_one_that_the_server_has() -> None:
    models = InputDefinition("COMBO", choices=("inkwash.safetensors",))
    server = Definitions({"Loader": NodeDefinition("Loader", {"ckpt_name": models})})
    what = spec(
        values={"checkpoint": "elsewhere.ckpt"},
        options={"checkpoint": (Target("3", "ckpt_name"),)},
        left_open={"checkpoint": "Loader.ckpt_name"},
    )
    async with opened(ScriptedBackend(definitions=server)) as shop:
        job = await shop.order(what)
        assert await shop.ended(job) is JobState.DONE
        newest = await shop.store.get(job.id)
    assert shop.backend.submitted[0][1]["3"]["inputs"]["ckpt_name"] == "inkwash.safetensors"
    assert newest is not None
    assert newest.spec.values["checkpoint"] == "inkwash.safetensors"


async def test_written_files_are_fetched_before_the_run_is_over() -> None:
    backend = ScriptedBackend(script=[[RunStarted(), OutputsWritten((REF,)), RunEnded()]])
    async with opened(backend) as shop:
        backend.end.clear()
        job = await shop.order()
        await settle()
        assert backend.fetched == [REF]
        assert await shop.state(job) is JobState.RUNNING
        backend.end.set()
        assert await shop.ended(job) is JobState.DONE
    assert backend.fetched == [REF], "once is enough"


async def test_a_file_that_history_does_not_confirm_is_not_shown() -> None:
    other = OutputRef("9", "replaced.png", "", "output")
    backend = ScriptedBackend(script=[[RunStarted(), OutputsWritten((other,)), RunEnded()]])
    async with opened(backend) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == [REF]


async def test_one_file_that_is_refused_costs_no_other() -> None:
    other = OutputRef("9", "..hidden.png", "", "output")
    backend = ScriptedBackend(result_of=RunResult(outputs=(other, REF)))
    backend.fetch_errors.append(ServerFaultError(400, "no"))
    async with opened(backend) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.ref for file in files] == [REF]
    assert "400" in note


async def test_a_file_that_cannot_be_fetched_costs_the_gpu_no_second_run() -> None:
    backend = ScriptedBackend()
    backend.fetch_errors.extend(ServerOfflineError("gpu1") for _ in range(10))
    async with opened(backend) as shop:
        job = await shop.order()
        for _ in range(20):
            await shop.clock.advance(1.0)
        assert await shop.ended(job) is JobState.FAILED
    assert len(backend.submitted) == 1
    assert "hand them out" in shop.board.failed[job.id]


async def test_who_waits_on_a_server_that_went_is_told() -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]])
    backend.end.clear()
    async with opened(backend) as shop:
        job = await shop.order()
        await settle()
        backend.up.clear()
        shop.runner.inform()
        assert shop.board.updates[-1] == (job.id, Away())
        backend.up.set()
        shop.runner.inform()
        assert isinstance(shop.board.updates[-1][1], Running)


async def test_an_idle_server_that_went_takes_no_job() -> None:
    backend = ScriptedBackend()
    async with opened(backend) as shop:
        await settle()
        backend.up.clear()
        shop.queue.wake()
        job = await shop.order()
        await settle()
        assert await shop.state(job) is JobState.QUEUED
        backend.up.set()
        assert await shop.ended(job) is JobState.DONE


async def test_when_the_bot_stops_everybody_is_told() -> None:
    backend = ScriptedBackend()
    backend.gate.clear()
    async with opened(backend) as shop:
        jobs = [await shop.order() for _ in range(4)]
        await settle()
        await shop.queue.abandon()
    assert set(shop.board.failed) == {job.id for job in jobs}
    assert all("stopped" in reason for reason in shop.board.failed.values())


async def test_a_file_that_could_not_be_fetched_early_is_fetched_in_the_end() -> None:
    backend = ScriptedBackend(script=[[RunStarted(), OutputsWritten((REF,)), RunEnded()]])
    backend.fetch_errors.append(ServerFaultError(404, "not yet"))
    async with opened(backend) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert backend.fetched == [REF, REF]


async def test_no_more_than_depth_prompts_are_on_the_server() -> None:
    backend = ScriptedBackend()
    backend.gate.clear()
    async with opened(backend, depth=2) as shop:
        jobs = [await shop.order() for _ in range(6)]
        await asyncio.sleep(0.05)
        assert len(backend.submitted) == 2
        backend.gate.set()
        assert [await shop.ended(job) for job in jobs] == [JobState.DONE] * 6
    assert backend.most_running == 2
    assert len({prompt_id for prompt_id, _ in backend.submitted}) == 6


async def test_a_job_that_the_server_forgot_is_handed_in_once_more() -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunLost()], [RunEnded()]])
    async with opened(backend) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    ids = [prompt_id for prompt_id, _ in backend.submitted]
    assert len(ids) == len(set(ids)) == 2
    assert any(isinstance(update, Running) and update.resubmitted for _, update in shop.board.updates)


async def test_a_job_that_is_forgotten_again_ends_with_the_reason() -> None:
    async with opened(ScriptedBackend(script=[[RunLost()]])) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert "lost this twice" in shop.board.failed[job.id]
    assert len(shop.backend.submitted) == 2


async def test_a_post_whose_answer_was_lost_is_not_repeated_when_the_server_has_it() -> None:
    backend = ScriptedBackend(submit_errors=[ServerOfflineError("gpu1")], where=Whereabouts.RUNNING)
    async with opened(backend) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    assert backend.submitted == [], "the only POST was the one that the server had accepted"


async def test_where_a_post_went_is_asked_until_the_server_answers() -> None:
    lost = ServerOfflineError("gpu1")
    backend = ScriptedBackend(submit_errors=[lost], locate_errors=[lost, lost], where=Whereabouts.FINISHED)
    async with opened(backend) as shop:
        job = await shop.order()
        for _ in range(10):
            await shop.clock.advance(1.0)
        assert await shop.ended(job) is JobState.DONE
    assert backend.submitted == []


async def test_a_post_that_never_arrived_is_made_again() -> None:
    backend = ScriptedBackend(submit_errors=[ServerOfflineError("gpu1")], where=Whereabouts.UNKNOWN)
    async with opened(backend) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    assert len(backend.submitted) == 1


async def test_a_server_that_takes_nothing_is_not_asked_for_ever() -> None:
    backend = ScriptedBackend(submit_errors=[ServerOfflineError("gpu1") for _ in range(50)])
    async with opened(backend) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert 50 - len(backend.submit_errors) <= MAX_ATTEMPTS
    assert shop.board.failed[job.id]


async def test_jobs_wait_while_the_server_is_away() -> None:
    backend = ScriptedBackend()
    backend.up.clear()
    async with opened(backend) as shop:
        job = await shop.order()
        await shop.queue.inform()
        await asyncio.sleep(0.02)
        assert await shop.state(job) is JobState.QUEUED
        assert shop.board.updates[-1] == (job.id, Waiting(position=1, total=1, offline=True))
        backend.up.set()
        assert await shop.ended(job) is JobState.DONE


async def test_a_refused_graph_is_explained_by_its_option() -> None:
    fault = GraphFault(
        FaultKind.TOO_BIG, node_id="3", class_type="KSampler", input_name="steps", received="99", limit="50"
    )
    backend = ScriptedBackend(submit_errors=[GraphRejectedError((fault,))])
    async with opened(backend) as shop:
        job = await shop.order(spec(options={"detail": (Target("3", "steps"),)}))
        assert await shop.ended(job) is JobState.FAILED
    assert "detail" in shop.board.failed[job.id]
    assert "50" in shop.board.failed[job.id]


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_every_failure_is_told_in_a_sentence(kind: FailureKind) -> None:
    failure = RunFailure(kind, node_id="3", class_type="KSampler", detail="it broke")
    async with opened(ScriptedBackend(result_of=RunResult(failure=failure))) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert len(shop.board.failed[job.id]) > 20


async def test_what_was_finished_before_a_failure_is_delivered_with_the_reason() -> None:
    result = RunResult(outputs=(REF,), failure=RunFailure(FailureKind.OUT_OF_MEMORY))
    async with opened(ScriptedBackend(result_of=result)) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert "memory" in shop.board.delivered[job.id][1]


async def test_dropped_outputs_are_reported_beside_the_pictures() -> None:
    fault = GraphFault(
        FaultKind.NOT_IN_LIST, node_id="3", class_type="KSampler", input_name="sampler_name", received="warp"
    )
    async with opened(ScriptedBackend(accepted=Accepted((fault,)))) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert "warp" in shop.board.delivered[job.id][1]


async def test_only_the_named_outputs_are_shown_and_missing_ones_reported() -> None:
    other = OutputRef("12", "other.png", "", "output")
    backend = ScriptedBackend(result_of=RunResult(outputs=(other, REF)))
    async with opened(backend) as shop:
        job = await shop.order(spec(outputs=("9", "77")))
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.ref for file in files] == [REF]
    assert "not made" in note


async def test_previews_are_shown_only_when_nothing_was_saved() -> None:
    preview = OutputRef("5", "tmp.png", "", "temp")
    async with opened(ScriptedBackend(result_of=RunResult(outputs=(preview, REF)))) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == [REF]
    async with opened(ScriptedBackend(result_of=RunResult(outputs=(preview,)))) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == [preview]


async def test_a_message_that_cannot_be_edited_ends_the_job_all_the_same() -> None:
    async with opened(ScriptedBackend()) as shop:
        shop.board.works = False
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED


async def test_a_fault_of_ours_is_answered_and_stops_no_other_job(caplog: pytest.LogCaptureFixture) -> None:
    async with opened(ScriptedBackend()) as shop:
        broken = await shop.order(spec(graph={"3": {"class_type": "KSampler", "inputs": None}}))
        fine = await shop.order()
        assert await shop.ended(broken) is JobState.FAILED
        assert await shop.ended(fine) is JobState.DONE
    assert "reference" in shop.board.failed[broken.id]
    assert "broke off" in caplog.text
