"""One job's stay on one server: upload, submit, follow, and bring the outputs home.

It ends in facts; what follows from them for the job is the runner's to decide.
"""

import asyncio
import copy
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum, auto

from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.jobs.outcome import Outcome, belongs, chosen, remark
from bot.jobs.ports import Backend, Presenter
from bot.jobs.progress import ProgressTracker
from bot.jobs.updates import Away, Fetching
from bot.workflow.execution import (
    Accepted,
    GraphFault,
    GraphRejectedError,
    JsonGraph,
    OutputFile,
    OutputRef,
    OutputsWritten,
    RunEnded,
    RunEvent,
    RunResult,
    RunStarted,
    ServerFaultError,
    ServerOfflineError,
    Whereabouts,
)
from bot.workflow.explain import explain
from bot.workflow.spec import RunSpec

log = logging.getLogger(__name__)

LOOK_AGAIN = 1.0
"""Seconds before a server that did not answer is asked again where a prompt is."""
FETCH_PAUSES = (0.5, 2.0, 5.0)
"""Seconds between tries to fetch a file whose transfer breaks off: the work of the GPU is done, and not repeated."""
FETCHED_EARLY = 10
"""Files of one run that are fetched as soon as they are written, before the run is over."""


class Stay(Enum):
    """How following a prompt ended."""

    ENDED = auto()
    FORGOTTEN = auto()
    """The server had the prompt and knows it no more."""
    NEVER_BEGAN = auto()
    """The POST did not get through."""


class Visit:
    """Follows one prompt of one job. `close` it whatever happened."""

    def __init__(self, job: Job, *, backend: Backend, presenter: Presenter, clock: Clock) -> None:
        self.job = job
        self._backend = backend
        self._presenter = presenter
        self._clock = clock
        self._faults: tuple[GraphFault, ...] = ()
        self._tracker: ProgressTracker | None = None
        self._is_over = False
        self._began = clock.monotonic()
        self._early: dict[tuple[str, str, str], asyncio.Task[OutputFile]] = {}
        self.started = job.started
        """When the server began to work on it, in seconds since the epoch."""

    async def close(self) -> None:
        """Let go of files that nobody asked for."""
        tasks = tuple(self._early.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ there

    async def follow(self) -> Stay:
        """Hand the job in and follow it until the server is done with it or knows it no more.

        Raises `FailedError` when the server refuses the graph, and `ServerOfflineError` before it has it.
        """
        job = self.job
        names = [await self._backend.upload(upload.file) for upload in job.spec.uploads]
        graph = _fill(job.spec, names)
        self._tracker = tracker = ProgressTracker(graph, resubmitted=job.losses > 0)
        async with self._backend.watch(job.prompt_id) as events:
            try:
                accepted = await self._submit(graph)
            except GraphRejectedError as error:
                raise FailedError(explain(error.faults, job.spec)) from error
            if accepted is None:
                return Stay.NEVER_BEGAN
            self._faults = accepted.faults
            self.show()
            last: RunEvent | None = None
            async for event in events:
                last = event
                self._see(event, tracker)
        self._is_over = True
        return Stay.ENDED if isinstance(last, RunEnded) else Stay.FORGOTTEN

    def _see(self, event: RunEvent, tracker: ProgressTracker) -> None:
        if isinstance(event, RunStarted):
            self.started, self._began = self._clock.now(), self._clock.monotonic()
        elif isinstance(event, OutputsWritten):
            self._fetch_early(event.refs)
        if tracker.see(event):
            self.show()

    def show(self) -> None:
        """Tell the member how the job stands."""
        if self._tracker is None or self._is_over:
            return
        update = self._tracker.report(self._clock.monotonic() - self._began) if self._backend.online else Away()
        self._presenter.update(self.job, update)

    async def _submit(self, graph: JsonGraph) -> Accepted | None:
        """Queue the graph; None when the server turns out not to have it after all.

        A POST whose answer was lost may have been accepted: look for it, never repeat it blindly.
        """
        prompt_id = self.job.prompt_id
        try:
            return await self._backend.submit(prompt_id, graph)
        except ServerOfflineError:
            where = await self._locate()
            log.warning("job %s: the answer to its POST was lost; the server has it as %s", self.job.id, where)
            return None if where is Whereabouts.UNKNOWN else Accepted()

    async def _locate(self) -> Whereabouts:
        """Return where the server has the prompt, once it can say so: only an answer is a verdict."""
        while True:
            await self._backend.wait_online()
            try:
                return await self._backend.locate(self.job.prompt_id)
            except ServerOfflineError:
                await self._clock.sleep(LOOK_AGAIN)

    # ------------------------------------------------------------------ and back

    async def collect(self) -> Outcome | None:
        """Return what the run came to, its files fetched; None when the server forgot it meanwhile."""
        result = await self._result()
        if result is None:
            return None
        spec = self.job.spec
        refs = chosen(result, spec)
        note = remark(result, refs, self._faults, spec)
        if not refs:
            return Outcome((), note)
        self._presenter.update(self.job, Fetching())
        files, refusal = await self._files(refs)
        return Outcome(files, note or refusal)

    async def _files(self, refs: Sequence[OutputRef]) -> tuple[list[OutputFile], Message | None]:
        """Return what the server hands out, and why it does not hand out the rest: one bad file costs no other."""
        files: list[OutputFile] = []
        refusal: Message | None = None
        for ref in refs:
            try:
                files.append(await self._file(ref))
            except BotError as error:
                log.warning("job %s: %s is not handed out: %s", self.job.id, ref.filename, error)
                refusal = error.user_message
        return files, refusal

    async def _result(self) -> RunResult | None:
        try:
            return await self._backend.result(self.job.prompt_id)
        except (ServerOfflineError, ServerFaultError):  # restarted between the end and the question
            if await self._locate() is not Whereabouts.FINISHED:
                return None
            return await self._backend.result(self.job.prompt_id)

    async def _file(self, ref: OutputRef) -> OutputFile:
        if early := self._early.pop(_key(ref), None):
            with suppress(BotError):  # what failed early is tried again in earnest
                return OutputFile(ref, (await early).data)
        try:
            return await self._patiently_fetched(ref)
        except ServerFaultError as error:
            if error.status != 404:
                raise
            raise FailedError(
                _("ComfyUI made the picture, but its file is gone. Please ask again, with another seed.")
            ) from error
        except ServerOfflineError as error:
            raise FailedError(
                _("ComfyUI made the pictures, but does not hand them out. Please tell the bot's owner, and try again.")
            ) from error

    async def _patiently_fetched(self, ref: OutputRef) -> OutputFile:
        for pause in FETCH_PAUSES:
            try:
                return await self._backend.fetch(ref)
            except ServerOfflineError:  # the file outlives a restart of the server
                await self._clock.sleep(pause)
                await self._backend.wait_online()
        return await self._backend.fetch(ref)

    def _fetch_early(self, refs: Iterable[OutputRef]) -> None:
        """Save the round trip after the end. Which files count is still `/history`'s to say."""
        wanted = self.job.spec.outputs
        for ref in refs:
            if wanted and not belongs(ref.node_id, wanted):
                continue
            if ref.folder == "output" and _key(ref) not in self._early and len(self._early) < FETCHED_EARLY:
                task = asyncio.create_task(self._backend.fetch(ref), name=f"fetch for job {self.job.id}")
                self._early[_key(ref)] = task


def _key(ref: OutputRef) -> tuple[str, str, str]:
    return ref.folder, ref.subfolder, ref.filename


def _fill(spec: RunSpec, names: Sequence[str]) -> JsonGraph:
    """Return the graph with the names under which the server stored the inputs."""
    graph = copy.deepcopy(spec.graph)
    for upload, name in zip(spec.uploads, names, strict=True):
        for target in upload.targets:
            graph[target.node_id]["inputs"][target.input_name] = name
    return graph
