"""Runs jobs on one server: claim → upload → submit → follow → fetch → deliver.

A runner keeps up to `depth` prompts on its server, so that the GPU finds the next one waiting; everything else waits in
our own queue. A slot is free again the moment the server is done with a prompt; fetching and delivering come after.
It knows no Discord and no HTTP: a `Backend` runs graphs, a `Presenter` tells people.
"""

import asyncio
import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.jobs.job import IllegalMoveError, Job, JobState
from bot.jobs.ports import Backend, Presenter
from bot.jobs.progress import ProgressTracker
from bot.jobs.queue import JobQueue
from bot.jobs.store import JobStore
from bot.jobs.updates import Fetching
from bot.workflow.definitions import Definitions
from bot.workflow.execution import (
    Accepted,
    FailureKind,
    GraphFault,
    GraphRejectedError,
    JsonGraph,
    OutputFile,
    OutputRef,
    RunEnded,
    RunEvent,
    RunFailure,
    RunResult,
    ServerFaultError,
    ServerOfflineError,
    Whereabouts,
)
from bot.workflow.explain import explain, explain_failure
from bot.workflow.prepare import settle
from bot.workflow.spec import RunSpec

log = logging.getLogger(__name__)

MAX_LOSSES = 1
"""How often a job is handed in again after a server forgot it."""
MAX_ATTEMPTS = 5
"""How often a job is claimed at all, counting tries that never reached the server."""
LOOK_AGAIN = 1.0
"""Seconds before a server that did not answer is asked again where a prompt is."""
DELIVERIES_AT_ONCE = 8
"""Results held in memory at the same time; further finished jobs leave theirs on the server."""


class _Stay(Enum):
    """How a stay on the server ended."""

    ENDED = auto()
    FORGOTTEN = auto()
    """The server had the prompt and knows it no more."""
    NEVER_BEGAN = auto()
    """The POST did not get through."""


@dataclass(frozen=True, slots=True)
class _Run:
    stay: _Stay
    faults: tuple[GraphFault, ...] = ()


class Runner:
    """Owns everything that one server does for us."""

    def __init__(
        self, *, backend: Backend, store: JobStore, queue: JobQueue, presenter: Presenter, clock: Clock, depth: int = 2
    ) -> None:
        self._backend = backend
        self._store = store
        self._queue = queue
        self._presenter = presenter
        self._clock = clock
        self._slots = asyncio.Semaphore(depth)
        self._deliveries = asyncio.Semaphore(DELIVERIES_AT_ONCE)
        self._jobs: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work for ever; cancelling this also stops following the jobs (their prompts go on at the server)."""
        try:
            while True:
                await self._slots.acquire()
                await self._backend.wait_online()
                job = await self._queue.next_for(self._backend.name)
                task = asyncio.create_task(self._carry(job), name=f"job {job.id}")
                self._jobs.add(task)
                task.add_done_callback(self._jobs.discard)
        finally:
            for task in tuple(self._jobs):
                task.cancel()
            await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _carry(self, job: Job) -> None:
        """Bring one job to its end, whatever happens."""
        slot = _Slot(self._slots)
        try:
            job = replace(job, spec=settle(job.spec, await self._definitions(job.spec)))
            run = await self._stay(job)
            slot.free()
            if run.stay is _Stay.NEVER_BEGAN:
                await self._give_back(job, losses=job.losses)
            elif run.stay is _Stay.FORGOTTEN or not await self._finish(job, run.faults):
                await self._give_back(job, losses=job.losses + 1)
        except ServerOfflineError:
            await self._give_back(job, losses=job.losses)
        except IllegalMoveError:
            log.info("job %s went on elsewhere", job.id)
        except BotError as error:
            await self._fail(job, error.user_message)
        except Exception:
            log.exception("job %s broke off", job.id)
            await self._fail(job, _("The bot made a mistake. Please try again (reference {id}).", id=job.id[:8]))
        finally:
            slot.free()
            self._queue.wake()

    # ------------------------------------------------------------------ on the server

    async def _definitions(self, spec: RunSpec) -> Definitions:
        """Return what the server can do, asking it when a job depends on that and it has not told us yet."""
        if self._backend.definitions.nodes or not spec.models:
            return self._backend.definitions
        try:
            return await self._backend.refresh_definitions()
        except ServerFaultError:
            return Definitions()

    async def _stay(self, job: Job) -> _Run:
        """Hand the job in and follow it until the server is done with it or knows it no more."""
        names = [await self._backend.upload(upload.file) for upload in job.spec.uploads]
        graph = _fill(job.spec, names)
        tracker = ProgressTracker(graph, resubmitted=job.losses > 0)
        taken = self._clock.monotonic()
        self._presenter.update(job, tracker.report(0.0))
        last: RunEvent | None = None
        async with self._backend.watch(job.prompt_id) as events:
            try:
                accepted = await self._submit(job, graph)
            except GraphRejectedError as error:
                raise BotError(explain(error.faults, job.spec)) from error
            if accepted is None:
                return _Run(_Stay.NEVER_BEGAN)
            async for event in events:
                last = event
                if tracker.see(event):
                    self._presenter.update(job, tracker.report(self._clock.monotonic() - taken))
        return _Run(_Stay.ENDED if isinstance(last, RunEnded) else _Stay.FORGOTTEN, accepted.faults)

    async def _submit(self, job: Job, graph: JsonGraph) -> Accepted | None:
        """Queue the graph; None when the server turns out not to have it after all.

        A POST whose answer was lost may have been accepted: look for it, never repeat it blindly.
        """
        try:
            return await self._backend.submit(job.prompt_id, graph)
        except ServerOfflineError:
            where = await self._locate(job.prompt_id)
            log.warning("job %s: the answer to its POST was lost; the server has it as %s", job.id, where)
            return None if where is Whereabouts.UNKNOWN else Accepted()

    async def _locate(self, prompt_id: str) -> Whereabouts:
        """Return where the server has a prompt, once it can say so: only an answer is a verdict."""
        while True:
            await self._backend.wait_online()
            try:
                return await self._backend.locate(prompt_id)
            except ServerOfflineError:
                await self._clock.sleep(LOOK_AGAIN)

    async def _give_back(self, job: Job, *, losses: int) -> None:
        """Let the job wait for another turn, unless it had enough of them."""
        if losses > MAX_LOSSES:
            await self._fail(job, _("ComfyUI was restarted twice while working on this. Please try again later."))
        elif job.attempts >= MAX_ATTEMPTS:
            await self._fail(job, _("ComfyUI could not be reached for this job. Please try again later."))
        else:
            log.warning("job %s goes back to the queue (lost %d times)", job.id, losses)
            await self._store.move(job, JobState.QUEUED, losses=losses)
            self._queue.wake()

    # ------------------------------------------------------------------ after the server

    async def _finish(self, job: Job, faults: tuple[GraphFault, ...]) -> bool:
        """Fetch and deliver what the server made; False when the server forgot it meanwhile."""
        async with self._deliveries:
            result = await self._result(job)
            if result is None:
                return False
            refs = _chosen(result, job.spec)
            note = _remark(result, refs, faults, job.spec)
            if not refs:
                await self._fail(job, note or explain_failure(RunFailure(FailureKind.NO_OUTPUTS), job.spec))
                return True
            self._presenter.update(job, Fetching())
            files = [await self._fetch(ref) for ref in refs]
            await self._deliver(job, files, note)
            return True

    async def _result(self, job: Job) -> RunResult | None:
        try:
            return await self._backend.result(job.prompt_id)
        except ServerOfflineError:
            if await self._locate(job.prompt_id) is not Whereabouts.FINISHED:
                return None
            return await self._backend.result(job.prompt_id)

    async def _fetch(self, ref: OutputRef) -> OutputFile:
        try:
            return await self._backend.fetch(ref)
        except ServerOfflineError:  # the file outlives a restart of the server
            await self._backend.wait_online()
            return await self._backend.fetch(ref)

    async def _deliver(self, job: Job, files: Sequence[OutputFile], note: Message | None) -> None:
        job = await self._store.move(job, JobState.DELIVERING, spec=job.spec, finished=self._clock.now())
        if await self._presenter.deliver(job, files, note):
            await self._store.move(job, JobState.DONE)
        else:
            await self._store.move(job, JobState.FAILED, error=_("The pictures could not be posted."))

    async def _fail(self, job: Job, reason: Message) -> None:
        current = await self._store.get(job.id)
        if current is None or current.state.is_final:
            return
        failed = await self._store.move(current, JobState.FAILED, error=reason, finished=self._clock.now())
        log.info("job %s failed: %s", job.id, reason)
        await self._presenter.fail(failed, reason)


class _Slot:
    """One of the places on the server, given back exactly once."""

    def __init__(self, slots: asyncio.Semaphore) -> None:
        self._slots: asyncio.Semaphore | None = slots

    def free(self) -> None:
        if self._slots is not None:
            self._slots.release()
            self._slots = None


def _fill(spec: RunSpec, names: Sequence[str]) -> JsonGraph:
    """Return the graph with the names under which the server stored the inputs."""
    graph = copy.deepcopy(spec.graph)
    for upload, name in zip(spec.uploads, names, strict=True):
        for target in upload.targets:
            graph[target.node_id]["inputs"][target.input_name] = name
    return graph


def _chosen(result: RunResult, spec: RunSpec) -> list[OutputRef]:
    """Return the outputs to show: of the nodes that the workflow names, else all that were saved, else previews."""
    if spec.outputs:
        return [ref for ref in result.outputs if _belongs(ref.node_id, spec.outputs)]
    saved = [ref for ref in result.outputs if ref.folder == "output"]
    return saved or list(result.outputs)


def _belongs(node_id: str, nodes: Sequence[str]) -> bool:
    # A node that expanded at run time writes under an id of its own, "9.0.0.3" for node "9".
    return any(node_id == node or node_id.startswith(f"{node}.") for node in nodes)


def _remark(
    result: RunResult, refs: Sequence[OutputRef], faults: tuple[GraphFault, ...], spec: RunSpec
) -> Message | None:
    """Return what must be said beside (or instead of) the pictures."""
    if result.failure is not None:
        return explain_failure(result.failure, spec)
    if faults:
        return explain(faults, spec)
    missing = [node for node in spec.outputs if not any(_belongs(ref.node_id, [node]) for ref in refs)]
    if missing and refs:
        return n_(
            "One output of this workflow was not made.", "{count} outputs of this workflow were not made.", len(missing)
        )
    return None
