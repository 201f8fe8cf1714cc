"""Submits a job to a server: resolves open values, uploads input files, and posts the graph exactly once.

Each step is saved before it is taken, so that after a crash it is known what to check.
"""

import copy
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bot.clock import Clock
from bot.errors import FailedError
from bot.jobs.execution.locate import locate_with_retry
from bot.jobs.job import Job
from bot.jobs.ports import Backend
from bot.jobs.repository import JobRepository
from bot.workflow.graph.definitions import Definitions
from bot.workflow.graph.graph import JsonGraph
from bot.workflow.run.events import (
    GraphRejectedError,
    InputFile,
    PromptLocation,
    ServerFaultError,
    ServerOfflineError,
    is_server_error,
)
from bot.workflow.run.explain import explain
from bot.workflow.run.prepare import resolve_for_server
from bot.workflow.run.spec import RunSpec

log = logging.getLogger(__name__)

UPLOAD_PAUSES = (0.5, 2.0)
"""Seconds between tries to upload a file to a server that answers with an error."""


class JobHandle:
    """Shared by everything that works on one job, so that nothing uses an outdated version."""

    def __init__(self, job: Job, *, store: JobRepository) -> None:
        self.job = job
        self._store = store

    def set_local(self, **changes: Any) -> None:
        """Set changes locally; they are saved later, or with the next transition."""
        self.job = replace(self.job, **changes)

    async def update(self, **changes: Any) -> None:
        """Save changes. Raises `StaleJobError` when another process took the job over."""
        self.job = await self._store.update(self.job, **changes)

    async def with_inputs(self) -> Job:
        """Return the job with the bytes of its input files, which are not kept in memory."""
        return await self._store.with_inputs(self.job)


class PromptSubmission:
    """Submits the job of `handle` under its current prompt id."""

    def __init__(self, handle: JobHandle, *, backend: Backend, clock: Clock) -> None:
        self._handle = handle
        self._backend = backend
        self._clock = clock

    async def prepare(self) -> JsonGraph:
        """Resolve the run for this server, upload its files, and save that it is posted now.

        Raises `ServerOfflineError`; the server cannot have the prompt in that case.
        """
        spec = resolve_for_server(self._handle.job.spec, await self._definitions())
        uploads = (await self._handle.with_inputs()).spec.uploads if spec.uploads else ()
        names = [await self._upload(upload.file) for upload in uploads]
        changes = {} if spec is self._handle.job.spec else {"spec": spec}
        # From here on, `started` means a start that the server reported
        await self._handle.update(posted=True, started=0.0, **changes)
        return _fill(spec, names)

    async def submit(self, graph: JsonGraph) -> bool:
        """Queue the graph; return False when the server turns out not to have it.

        A POST with a lost or erroneous answer may have been accepted: it is located, never repeated blindly.
        Raises `FailedError` when the server rejects the graph.
        """
        job = self._handle.job
        try:
            accepted = await self._backend.submit(job.prompt_id, graph)
        except GraphRejectedError as error:
            raise FailedError(explain(error.faults, job.spec)) from error
        except (ServerOfflineError, ServerFaultError) as error:
            where = await locate_with_retry(self._backend, self._clock, job.prompt_id)
            log.warning("job %s: its POST failed; the server reports it as %s", job.id, where)
            if where is PromptLocation.UNKNOWN and isinstance(error, ServerFaultError):
                raise
            return where is not PromptLocation.UNKNOWN
        if accepted.faults:
            await self._handle.update(note=explain(accepted.faults, job.spec))
        return True

    async def _upload(self, file: InputFile) -> str:
        for pause in UPLOAD_PAUSES:
            try:
                return await self._backend.upload(file)
            except ServerFaultError as error:
                if not is_server_error(error):
                    raise
                await self._clock.sleep(pause)
        return await self._backend.upload(file)

    async def _definitions(self) -> Definitions:
        """Return the node definitions, reading them first if the job has open values and they are not known yet."""
        if self._backend.definitions.nodes or not self._handle.job.spec.left_open:
            return self._backend.definitions
        try:
            return await self._backend.refresh_definitions()
        except ServerFaultError:
            return Definitions()


def _fill(spec: RunSpec, names: Sequence[str]) -> JsonGraph:
    """Return the graph with the input names assigned by the server."""
    graph = copy.deepcopy(spec.graph)
    for upload, name in zip(spec.uploads, names, strict=True):
        for target in upload.targets:
            graph[target.node_id]["inputs"][target.input_name] = name
    return graph
