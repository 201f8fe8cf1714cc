"""Fetches the outcome and the output files of a run from its server.

Files are fetched one at a time, starting while the run is still going. Their total size is limited because they stay in
memory until they are in the result store.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.aio import cancel_and_wait
from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import Message, _
from bot.jobs.execution.locate import locate_with_retry
from bot.jobs.job import Job
from bot.jobs.outcome import Outcome, is_from_node, outcome_note, selected_outputs, text_outputs
from bot.jobs.ports import Backend
from bot.workflow.run.events import (
    FailureKind,
    OutputFile,
    OutputRef,
    PromptLocation,
    RunResult,
    ServerFaultError,
    ServerOfflineError,
    is_server_error,
)
from bot.workflow.run.spec import RunSpec

log = logging.getLogger(__name__)

FETCH_PAUSES = (0.5, 2.0, 5.0)
"""Seconds between tries to fetch a file: a broken transfer must not waste the finished run."""
READ_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to read the outcome from a server that answers with an error."""
MAX_EARLY_FILES = 10
"""Files of one run that are fetched before it ends."""
MAX_BYTES = 256 * 1024 * 1024
"""Total size of a job's files after which no more are fetched."""
NOT_FOUND = 404


class RunForgottenError(Exception):
    """The server does not know a run that had ended: it was restarted, or its history was cleared."""


class FilesGoneError(Exception):
    """Files of a run are gone from the server or may have been replaced; `rest` holds the others."""

    def __init__(self, rest: Outcome) -> None:
        super().__init__("files of the run are gone, or in doubt")
        self.rest = rest


@dataclass
class _FetchedFiles:
    """The fetched files, and why others are missing."""

    files: list[OutputFile] = field(default_factory=list[OutputFile])
    refusal: Message | None = None
    size: int = 0
    is_missing: bool = False
    """Whether a file is gone from the server."""


class OutputFetcher:
    """Fetches the files of one prompt. Always `close` it."""

    def __init__(self, spec: RunSpec, *, backend: Backend, clock: Clock) -> None:
        self._spec = spec
        self._backend = backend
        self._clock = clock
        self._pending: deque[OutputRef] = deque()
        self._early: dict[OutputRef, bytes] = {}
        self._seen: set[OutputRef] = set()
        self._fetcher: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Stop fetching and drop unused files."""
        if self._fetcher:
            await cancel_and_wait(self._fetcher)

    def expect(self, refs: Iterable[OutputRef]) -> None:
        """Start fetching files that were just written. `/history` decides later which of them count."""
        wanted = self._spec.outputs
        for ref in refs:
            is_asked_for = not wanted or is_from_node(ref.node_id, wanted)
            if is_asked_for and ref.folder == "output" and len(self._seen) < MAX_EARLY_FILES and ref not in self._seen:
                self._seen.add(ref)
                self._pending.append(ref)
        if self._pending and (self._fetcher is None or self._fetcher.done()):
            self._fetcher = asyncio.create_task(self._fetch_early(), name="fetching early")

    async def _fetch_early(self) -> None:
        while self._pending:
            ref = self._pending.popleft()
            try:
                self._early[ref] = (await self._backend.fetch(ref)).data
            except BotError as error:  # tried again after the run, with retries
                log.debug("%s cannot be fetched early: %s", ref.filename, error)

    # ------------------------------------------------------------------ after the run

    async def collect(self, job: Job, stopped: Message | None = None) -> Outcome:
        """Return the outcome of the run with its files; `stopped` says why we interrupted it, if we did.

        Raises `RunForgottenError`, and `FilesGoneError` for a successful run.
        """
        result = await self._result(job)
        refs = selected_outputs(result, job.spec)
        texts = text_outputs(result, job.spec, refs)
        note = outcome_note(result, [*refs, *(text.ref for text in texts)], job.note, job.spec)
        if stopped and result.failure and result.failure.kind is FailureKind.INTERRUPTED:
            note = stopped
        fetched = await self._fetch_all(refs)
        was_stopped = result.failure is not None and result.failure.kind is FailureKind.INTERRUPTED
        outcome = Outcome([*fetched.files, *texts], note or fetched.refusal, was_stopped)
        # A cached output's file may have been deleted since, and its name reused for another member's image
        is_old = any(ref.node_id in result.cached for ref in refs)
        if (fetched.is_missing or is_old) and result.failure is None:
            raise FilesGoneError(outcome)
        return outcome

    async def _result(self, job: Job) -> RunResult:
        for pause in READ_PAUSES:
            try:
                return await self._backend.result(job.prompt_id)
            except (ServerOfflineError, ServerFaultError) as error:
                log.warning("job %s: cannot read its outcome: %s", job.id, error)
                is_finished = isinstance(error, ServerFaultError) and error.status != NOT_FOUND
            if not is_finished and not await self._is_known(job):
                raise RunForgottenError
            await self._clock.sleep(pause)
        return await self._last_try(job)

    async def _is_known(self, job: Job) -> bool:
        return await locate_with_retry(self._backend, self._clock, job.prompt_id) is PromptLocation.FINISHED

    async def _last_try(self, job: Job) -> RunResult:
        try:
            return await self._backend.result(job.prompt_id)
        except (ServerOfflineError, ServerFaultError) as error:
            raise FailedError(
                _("The GPU server has finished this, but won't report the result. Please tell the bot's owner.")
            ) from error

    async def _fetch_all(self, refs: Sequence[OutputRef]) -> _FetchedFiles:
        """Fetch the files; a bad one does not affect the others."""
        if self._fetcher:
            await asyncio.wait({self._fetcher})
        fetched = _FetchedFiles()
        for ref in refs:
            if fetched.size >= MAX_BYTES:
                fetched.refusal = _("Some files were left out: together they are too large.")
                break
            await self._fetch_into(fetched, ref)
        return fetched

    async def _fetch_into(self, fetched: _FetchedFiles, ref: OutputRef) -> None:
        try:
            data = self._early.pop(ref, None)
            file = OutputFile(ref, data) if data is not None else await self._fetch(ref)
        except BotError as error:
            log.warning("%s cannot be fetched: %s", ref.filename, error)
            fetched.is_missing |= _is_gone(error)
            fetched.refusal = _refusal(error)
        else:
            fetched.files.append(file)
            fetched.size += len(file.data)

    async def _fetch(self, ref: OutputRef) -> OutputFile:
        for pause in FETCH_PAUSES:
            try:
                return await self._backend.fetch(ref)
            except ServerOfflineError:  # the file survives a restart of the server
                await self._clock.sleep(pause)
                await self._backend.wait_online()
            except ServerFaultError as error:
                if not is_server_error(error):
                    raise
                await self._clock.sleep(pause)
        return await self._backend.fetch(ref)


def _is_gone(error: BotError) -> bool:
    return isinstance(error, ServerFaultError) and error.status == NOT_FOUND


def _refusal(error: BotError) -> Message:
    if _is_gone(error):
        return _("The image was made, but its file is gone. Please try again with another seed.")
    if isinstance(error, ServerFaultError):
        return _(
            "The image was made, but the GPU server can't deliver it (error {status}). Please try again, or tell the"
            " bot's owner.",
            status=error.status,
        )
    return _("The images were made, but the GPU server can't deliver them. Please try again, or tell the bot's owner.")
