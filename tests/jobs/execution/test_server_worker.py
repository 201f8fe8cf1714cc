"""The runner: every job ends once, truthfully, whatever the server does."""

import asyncio
from pathlib import Path

import pytest

from bot.jobs.execution.retry import MAX_ATTEMPTS, MAX_LOSSES
from bot.jobs.job import JobState
from bot.jobs.status import QueuedStatus, RunningStatus, ServerOffline
from bot.workflow.graph.definitions import Definitions, InputDefinition, NodeDefinition
from bot.workflow.graph.graph import Target
from bot.workflow.run.events import (
    Accepted,
    FailureKind,
    FaultKind,
    GraphFault,
    GraphRejectedError,
    InputFile,
    OutputFile,
    OutputRef,
    OutputsWritten,
    Preview,
    Progress,
    PromptLocation,
    RunEnded,
    RunFailure,
    RunLost,
    RunResult,
    RunStarted,
    ServerFaultError,
    ServerOfflineError,
)
from bot.workflow.run.spec import Upload
from tests.jobs.doubles import REF, ScriptedBackend, spec
from tests.jobs.queue_setup import opened, until


async def test_a_job_ends_with_its_pictures(tmp_path: Path) -> None:
    backend = ScriptedBackend(
        script=[[RunStarted(), Progress("3", 10, 20), Preview(b"half", "image/jpeg"), RunEnded()]]
    )
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.data for file in files] == [b"picture"]
    assert note == ""
    running = [update for _, update in shop.board.updates if isinstance(update, RunningStatus)]
    assert (running[-1].step, running[-1].steps, running[-1].preview) == (10, 20, b"half")
    assert 0.4 < (running[-1].fraction or 0) < 0.6


async def test_pictures_are_uploaded_and_their_returned_names_bound(tmp_path: Path) -> None:
    picture = InputFile("cc_1.png", b"bytes", 1, 1)
    what = spec(uploads=(Upload(picture, (Target("3", "image"),)),))
    async with opened(ScriptedBackend(), tmp_path) as shop:
        assert await shop.ended(await shop.order(what)) is JobState.DONE
    assert shop.backend.submitted[0][1]["3"]["inputs"]["image"] == "stored_cc_1.png"
    assert "image" not in what.graph["3"]["inputs"], "the job's own graph stays as it was accepted"


async def test_a_model_left_open_becomes_one_that_the_server_has(tmp_path: Path) -> None:
    models = InputDefinition("COMBO", choices=("inkwash.safetensors",))
    server = Definitions({"Loader": NodeDefinition("Loader", {"ckpt_name": models})})
    what = spec(
        values={"checkpoint": "elsewhere.ckpt"},
        options={"checkpoint": (Target("3", "ckpt_name"),)},
        left_open={"checkpoint": "Loader.ckpt_name"},
    )
    async with opened(ScriptedBackend(definitions=server), tmp_path) as shop:
        job = await shop.order(what)
        assert await shop.ended(job) is JobState.DONE
        newest = await shop.store.get(job.id)
    assert shop.backend.submitted[0][1]["3"]["inputs"]["ckpt_name"] == "inkwash.safetensors"
    assert newest is not None
    assert newest.spec.values["checkpoint"] == "inkwash.safetensors"


async def test_written_files_are_fetched_before_the_run_is_over(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), OutputsWritten((REF,)), RunEnded()]])
    async with opened(backend, tmp_path) as shop:
        backend.end.clear()
        job = await shop.order()
        await until(lambda: backend.fetched == [REF])
        assert await shop.state(job) is JobState.RUNNING
        backend.end.set()
        assert await shop.ended(job) is JobState.DONE
    assert backend.fetched == [REF], "once is enough"


async def test_a_file_that_history_does_not_confirm_is_not_shown(tmp_path: Path) -> None:
    other = OutputRef("9", "replaced.png", "", "output")
    backend = ScriptedBackend(script=[[RunStarted(), OutputsWritten((other,)), RunEnded()]])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == [REF]


async def test_one_file_that_is_refused_costs_no_other(tmp_path: Path) -> None:
    other = OutputRef("9", "..hidden.png", "", "output")
    backend = ScriptedBackend(result_of=RunResult(outputs=(other, REF)))
    backend.fetch_errors.append(ServerFaultError(400, "no"))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.ref for file in files] == [REF]
    assert "400" in note


async def test_a_file_that_cannot_be_fetched_costs_the_gpu_no_second_run(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.fetch_errors.extend(ServerOfflineError("gpu1") for _ in range(10))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await shop.passes(20)
        assert await shop.ended(job) is JobState.FAILED
    assert len(backend.submitted) == 1
    assert "can't deliver them" in shop.board.failed[job.id]


async def test_who_waits_on_a_server_that_went_is_told(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]])
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await until(lambda: any(isinstance(update, RunningStatus) for _, update in shop.board.updates))
        backend.up.clear()
        shop.staff.executor.update_status()
        assert shop.board.updates[-1] == (job.id, ServerOffline())
        backend.up.set()
        shop.staff.executor.update_status()
        assert isinstance(shop.board.updates[-1][1], RunningStatus)


async def test_an_idle_server_that_went_takes_no_job(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    async with opened(backend, tmp_path) as shop:
        await asyncio.sleep(0.05)
        backend.up.clear()
        shop.queue.wake()
        job = await shop.order()
        await asyncio.sleep(0.05)
        assert await shop.state(job) is JobState.QUEUED
        backend.up.set()
        assert await shop.ended(job) is JobState.DONE


async def test_a_file_that_could_not_be_fetched_early_is_fetched_in_the_end(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), OutputsWritten((REF,)), RunEnded()]])
    backend.fetch_errors.append(ServerFaultError(404, "not yet"))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert backend.fetched == [REF, REF]


async def test_no_more_than_depth_prompts_are_on_the_server(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.gate.clear()
    async with opened(backend, tmp_path, depth=2) as shop:
        jobs = [await shop.order() for _ in range(6)]
        await asyncio.sleep(0.05)
        assert len(backend.submitted) == 2
        backend.gate.set()
        assert [await shop.ended(job) for job in jobs] == [JobState.DONE] * 6
    assert backend.most_running == 2
    assert len({prompt_id for prompt_id, _ in backend.submitted}) == 6


async def test_a_post_whose_answer_was_lost_is_not_repeated_when_the_server_has_it(tmp_path: Path) -> None:
    backend = ScriptedBackend(submit_errors=[ServerOfflineError("gpu1")], where=PromptLocation.RUNNING)
    async with opened(backend, tmp_path) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    assert backend.submitted == [], "the only POST was the one that the server had accepted"


async def test_where_a_post_went_is_asked_until_the_server_answers(tmp_path: Path) -> None:
    lost = ServerOfflineError("gpu1")
    backend = ScriptedBackend(submit_errors=[lost], locate_errors=[lost, lost], where=PromptLocation.FINISHED)
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        for _ in range(10):
            await shop.clock.advance(1.0)
        assert await shop.ended(job) is JobState.DONE
    assert backend.submitted == []


async def test_a_post_that_never_arrived_is_made_again(tmp_path: Path) -> None:
    backend = ScriptedBackend(submit_errors=[ServerOfflineError("gpu1")], where=PromptLocation.UNKNOWN)
    async with opened(backend, tmp_path) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    assert len(backend.submitted) == 1


async def test_jobs_wait_while_the_server_is_away(tmp_path: Path) -> None:
    backend = ScriptedBackend()
    backend.up.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await shop.queue.update_positions()
        await asyncio.sleep(0.02)
        assert await shop.state(job) is JobState.QUEUED
        assert shop.board.updates[-1] == (job.id, QueuedStatus(position=1, total=1, offline=True))
        backend.up.set()
        assert await shop.ended(job) is JobState.DONE


async def test_a_refused_graph_is_explained_by_its_option(tmp_path: Path) -> None:
    fault = GraphFault(
        FaultKind.TOO_BIG, node_id="3", class_type="KSampler", input_name="steps", received="99", limit="50"
    )
    backend = ScriptedBackend(submit_errors=[GraphRejectedError((fault,))])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(options={"detail": (Target("3", "steps"),)}))
        assert await shop.ended(job) is JobState.FAILED
    assert "detail" in shop.board.failed[job.id]
    assert "50" in shop.board.failed[job.id]


@pytest.mark.parametrize("kind", list(FailureKind))
async def test_every_failure_is_told_in_a_sentence(kind: FailureKind, tmp_path: Path) -> None:
    failure = RunFailure(kind, node_id="3", class_type="KSampler", detail="it broke")
    async with opened(ScriptedBackend(result_of=RunResult(failure=failure)), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert len(shop.board.failed[job.id]) > 20


async def test_what_was_finished_before_a_failure_is_delivered_with_the_reason(tmp_path: Path) -> None:
    result = RunResult(outputs=(REF,), failure=RunFailure(FailureKind.OUT_OF_MEMORY))
    async with opened(ScriptedBackend(result_of=result), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert "memory" in shop.board.delivered[job.id][1]


async def test_dropped_outputs_are_reported_beside_the_pictures(tmp_path: Path) -> None:
    fault = GraphFault(
        FaultKind.NOT_IN_LIST, node_id="3", class_type="KSampler", input_name="sampler_name", received="warp"
    )
    async with opened(ScriptedBackend(accepted=Accepted((fault,))), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert "warp" in shop.board.delivered[job.id][1]


async def test_only_the_named_outputs_are_shown_and_missing_ones_reported(tmp_path: Path) -> None:
    other = OutputRef("12", "other.png", "", "output")
    backend = ScriptedBackend(result_of=RunResult(outputs=(other, REF)))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(outputs=("9", "77")))
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.ref for file in files] == [REF]
    assert "is missing" in note


async def test_previews_are_shown_only_when_nothing_was_saved(tmp_path: Path) -> None:
    preview = OutputRef("5", "tmp.png", "", "temp")
    async with opened(ScriptedBackend(result_of=RunResult(outputs=(preview, REF))), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == [REF]
    async with opened(ScriptedBackend(result_of=RunResult(outputs=(preview,))), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == [preview]


async def test_a_job_that_the_server_forgot_is_handed_in_once_more(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunLost()], [RunEnded()]])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
        assert (await shop.newest(job)).losses == 1
    ids = [prompt_id for prompt_id, _ in backend.submitted]
    assert len(ids) == len(set(ids)) == 2
    assert any(isinstance(update, RunningStatus) and update.resubmitted for _, update in shop.board.updates)


async def test_a_job_on_which_the_server_breaks_down_each_time_ends_with_the_suspicion(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunLost()]])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert len(backend.submitted) == MAX_LOSSES + 1
    assert f"{MAX_LOSSES + 1} times" in shop.board.failed[job.id]


async def test_a_job_that_is_lost_while_it_waits_is_not_suspected(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[*[[RunLost()] for _ in range(MAX_LOSSES + 3)], [RunStarted(), RunEnded()]])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
        assert (await shop.newest(job)).losses == 0


async def test_even_an_innocent_job_is_not_handed_in_for_ever(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunLost()]])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert len(backend.submitted) == MAX_ATTEMPTS
    assert "kept failing" in shop.board.failed[job.id]


async def test_a_server_that_takes_nothing_is_not_asked_for_ever(tmp_path: Path) -> None:
    backend = ScriptedBackend(submit_errors=[ServerOfflineError("gpu1") for _ in range(50)])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await shop.passes(300.0)
        assert await shop.ended(job) is JobState.FAILED
    assert 50 - len(backend.submit_errors) == MAX_ATTEMPTS
    assert "kept failing" in shop.board.failed[job.id]


async def test_a_job_that_comes_back_keeps_its_place_in_the_line(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunLost()], [RunEnded()]])
    async with opened(backend, tmp_path, depth=1) as shop:
        backend.gate.clear()
        first, second = await shop.order(spec(title="first")), await shop.order(spec(title="second"))
        await until(lambda: len(backend.submitted) == 1)
        backend.gate.set()
        assert await shop.ended(first) is JobState.DONE
        assert await shop.ended(second) is JobState.DONE
        prompts = [(await shop.newest(job)).prompt_id for job in (first, second)]
    assert [prompt_id for prompt_id, _graph in backend.submitted][1:] == prompts


async def test_a_job_that_is_put_off_is_taken_when_its_time_comes(tmp_path: Path) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        job = await shop.order(not_before=shop.clock.now() + 30)
        await shop.passes(10.0)
        assert await shop.state(job) is JobState.QUEUED
        assert await shop.ended(job) is JobState.DONE
        assert (await shop.newest(job)).finished >= job.not_before


async def test_a_fault_of_ours_is_answered_and_stops_no_other_job(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    async with opened(ScriptedBackend(), tmp_path) as shop:
        broken = await shop.order(spec(graph={"3": {"class_type": "KSampler", "inputs": None}}))
        fine = await shop.order()
        assert await shop.ended(broken) is JobState.FAILED
        assert await shop.ended(fine) is JobState.DONE
    assert "reference" in shop.board.failed[broken.id]
    assert "crashed" in caplog.text


async def test_what_the_server_dropped_when_it_accepted_the_rest_is_written_down(tmp_path: Path) -> None:
    fault = GraphFault(FaultKind.NOT_IN_LIST, node_id="3", input_name="sampler_name", received="warp")
    backend = ScriptedBackend(accepted=Accepted((fault,)))
    backend.gate.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        await until(lambda: bool(shop.board.updates))
        assert "warp" in str((await shop.newest(job)).note)


async def test_a_post_that_is_answered_with_an_error_is_looked_for_before_it_is_believed(tmp_path: Path) -> None:
    backend = ScriptedBackend(submit_errors=[ServerFaultError(500, "oops")], where=PromptLocation.PENDING)
    async with opened(backend, tmp_path) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    backend = ScriptedBackend(submit_errors=[ServerFaultError(500, "oops")], where=PromptLocation.UNKNOWN)
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert "500" in shop.board.failed[job.id]


async def test_an_outcome_that_cannot_be_read_at_first_is_read_again(tmp_path: Path) -> None:
    backend = ScriptedBackend(where=PromptLocation.FINISHED)
    backend.result_errors.extend(ServerFaultError(500, "oops") for _ in range(3))
    async with opened(backend, tmp_path) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    assert len(backend.submitted) == 1


async def test_an_outcome_that_can_never_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    backend = ScriptedBackend(where=PromptLocation.FINISHED)
    backend.result_errors.extend(ServerFaultError(500, "oops") for _ in range(30))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert "won't report the result" in shop.board.failed[job.id]
    assert len(backend.submitted) == 1


async def test_a_file_that_is_answered_with_an_error_is_tried_again_and_then_given_up(tmp_path: Path) -> None:
    backend = ScriptedBackend(fetch_errors=[ServerFaultError(500, "oops") for _ in range(3)])
    async with opened(backend, tmp_path) as shop:
        assert await shop.ended(await shop.order()) is JobState.DONE
    backend = ScriptedBackend(fetch_errors=[ServerFaultError(500, "oops") for _ in range(4)])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.FAILED
    assert "can't deliver it (error" in shop.board.failed[job.id]


async def test_a_file_that_was_deleted_is_saved_again_under_another_name_once(tmp_path: Path) -> None:
    gone = ServerFaultError(404, "")
    graph = spec().graph
    graph["9"]["inputs"]["filename_prefix"] = "picture"
    backend = ScriptedBackend(fetch_errors=[gone])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(graph=graph))
        assert await shop.ended(job) is JobState.DONE
    prefixes = [posted["9"]["inputs"]["filename_prefix"] for _, posted in backend.submitted]
    assert prefixes == ["picture", f"picture_j{job.id[:8]}"]
    assert shop.board.delivered[job.id][1] == "", "nobody needs to know"

    backend = ScriptedBackend(fetch_errors=[gone, gone])
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(graph=graph))
        assert await shop.ended(job) is JobState.FAILED
    assert len(backend.submitted) == 2
    assert "its file is gone" in shop.board.failed[job.id]


async def test_a_file_of_an_earlier_prompt_is_not_trusted_to_be_the_same_picture_still(tmp_path: Path) -> None:
    graph = spec().graph
    graph["9"]["inputs"]["filename_prefix"] = "picture"
    backend = ScriptedBackend(result_of=RunResult(outputs=(REF,), cached=frozenset({"3", "9"})))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(graph=graph))
        assert await shop.ended(job) is JobState.DONE
    assert len(backend.submitted) == 2, "saved under a name of its own, once"

    backend = ScriptedBackend(result_of=RunResult(outputs=(REF,), cached=frozenset({"3"})))
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(graph=graph))
        assert await shop.ended(job) is JobState.DONE
    assert len(backend.submitted) == 1, "what saves has run: the file is its own"


async def test_a_picture_that_the_server_refuses_for_a_moment_is_stored_all_the_same(tmp_path: Path) -> None:
    what = spec(uploads=(Upload(InputFile("cc_1.png", b"bytes", 1, 1), (Target("3", "image"),)),))
    backend = ScriptedBackend(upload_errors=[ServerFaultError(500, "oops")])
    async with opened(backend, tmp_path) as shop:
        assert await shop.ended(await shop.order(what)) is JobState.DONE
    assert [upload.data for upload in backend.uploads] == [b"bytes"], "the store kept it"


# ------------------------------------------------------------------ silence


@pytest.mark.parametrize(("is_heard", "factor"), [(True, 1), (False, 6)])
async def test_a_run_of_which_nothing_is_heard_is_stopped(is_heard: bool, factor: int, tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], where=PromptLocation.RUNNING, is_heard=is_heard)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(idle_limit=60.0))
        await until(lambda: any(isinstance(update, RunningStatus) for _, update in shop.board.updates))
        await shop.passes(60.0 * factor - 5)
        assert backend.interrupted == []
        await shop.passes(15.0)
        assert backend.interrupted == [backend.submitted[0][0]]
        backend.result_of = RunResult(failure=RunFailure(FailureKind.INTERRUPTED))
        backend.end.set()
        assert await shop.ended(job) is JobState.FAILED
    assert "60 seconds" in shop.board.failed[job.id]


async def test_a_run_that_cannot_be_stopped_ends_for_its_member(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunStarted(), RunEnded()]], where=PromptLocation.RUNNING)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        job = await shop.order(spec(idle_limit=10.0))
        await until(lambda: any(isinstance(update, RunningStatus) for _, update in shop.board.updates))
        await shop.passes(60.0)
        assert await shop.ended(job) is JobState.FAILED
    assert "is stuck" in shop.board.failed[job.id]


async def test_silence_does_not_count_while_the_server_is_away_or_the_prompt_waits(tmp_path: Path) -> None:
    backend = ScriptedBackend(script=[[RunEnded()]], where=PromptLocation.RUNNING)
    backend.end.clear()
    async with opened(backend, tmp_path) as shop:
        await shop.order(spec(idle_limit=10.0))
        await until(lambda: bool(backend.submitted))
        await shop.passes(600.0)
        assert backend.interrupted == [], "it only waits"
    backend.script = [[RunStarted(), RunEnded()]]
    async with opened(backend, tmp_path) as shop:
        await shop.order(spec(idle_limit=10.0))
        await until(lambda: any(isinstance(update, RunningStatus) for _, update in shop.board.updates))
        backend.up.clear()
        await shop.passes(600.0)
        assert backend.interrupted == []
        backend.up.set()
        await shop.passes(5.0)
        assert backend.interrupted == []


# ------------------------------------------------------------------ memory


async def test_files_are_fetched_one_after_the_other(tmp_path: Path) -> None:
    refs = tuple(OutputRef("9", f"out_{number}.png", "", "output") for number in range(6))
    backend = CountingBackend(
        script=[[RunStarted(), OutputsWritten(refs[:4]), RunEnded()]], result_of=RunResult(outputs=refs)
    )
    async with opened(backend, tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    assert [file.ref for file in shop.board.delivered[job.id][0]] == list(refs)
    assert (backend.most_fetching, len(backend.fetched)) == (1, len(refs))


async def test_files_that_are_too_large_together_are_left_on_the_server_and_the_member_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.jobs.execution.output_fetcher.MAX_BYTES", 2 * len(b"picture"))
    refs = tuple(OutputRef("9", f"out_{number}.png", "", "output") for number in range(4))
    async with opened(ScriptedBackend(result_of=RunResult(outputs=refs)), tmp_path) as shop:
        job = await shop.order()
        assert await shop.ended(job) is JobState.DONE
    files, note = shop.board.delivered[job.id]
    assert [file.ref for file in files] == list(refs[:2])
    assert "too large" in note


class CountingBackend(ScriptedBackend):
    """Counts how many files are asked for at the same time."""

    fetching = 0
    most_fetching = 0

    async def fetch(self, ref: OutputRef) -> OutputFile:
        self.fetching += 1
        self.most_fetching = max(self.most_fetching, self.fetching)
        await asyncio.sleep(0.01)
        self.fetching -= 1
        return await super().fetch(ref)
