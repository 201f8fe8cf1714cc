"""Brings home what a run has made: reads its outcome from the server, and fetches the files.

Files are fetched one after the other, the first of them as soon as they are written; together they stay within bounds,
because they are in memory until they are on the shelf.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.clock import Clock
from bot.errors import BotError, FailedError
from bot.i18n import Message, _
from bot.jobs.job import Job
from bot.jobs.naps import cancelled
from bot.jobs.outcome import Outcome, belongs, chosen, remark, told
from bot.jobs.patience import located
from bot.jobs.ports import Backend
from bot.workflow.execution import (
    FailureKind,
    OutputFile,
    OutputRef,
    RunResult,
    ServerFaultError,
    ServerOfflineError,
    Whereabouts,
)
from bot.workflow.spec import RunSpec

log = logging.getLogger(__name__)

FETCH_PAUSES = (0.5, 2.0, 5.0)
"""Seconds between tries to fetch a file: the work of the GPU is done, and not repeated because a transfer broke off."""
READ_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to read the outcome from a server that answers with an error."""
FETCHED_EARLY = 10
"""Files of one run that are fetched before it is over."""
MOST_BYTES = 256 * 1024 * 1024
"""Bytes of one job's files after which no further one is fetched."""
GONE = 404


class RunForgottenError(Exception):
    """The server knows nothing about a run that it had ended: it was restarted, or its history was cleared."""


class FilesGoneError(Exception):
    """Files of a run are not on the server any more, or may be another's by now; `rest` is what there is."""

    def __init__(self, rest: Outcome) -> None:
        super().__init__("files of the run are gone, or in doubt")
        self.rest = rest


@dataclass
class _Basket:
    """What was fetched, and why the rest was not."""

    files: list[OutputFile] = field(default_factory=list[OutputFile])
    refusal: Message | None = None
    size: int = 0
    is_missing: bool = False
    """Whether a file is gone from the server."""


class Harvest:
    """Collects the files of one prompt. `close` it whatever happened."""

    def __init__(self, spec: RunSpec, *, backend: Backend, clock: Clock) -> None:
        self._spec = spec
        self._backend = backend
        self._clock = clock
        self._written: deque[OutputRef] = deque()
        self._early: dict[OutputRef, bytes] = {}
        self._seen: set[OutputRef] = set()
        self._fetcher: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Let go of files that nobody asked for."""
        if self._fetcher:
            await cancelled(self._fetcher)

    def expect(self, refs: Iterable[OutputRef]) -> None:
        """Begin to fetch files that were just written. Which of them count is still `/history`'s to say."""
        wanted = self._spec.outputs
        for ref in refs:
            is_asked_for = not wanted or belongs(ref.node_id, wanted)
            if is_asked_for and ref.folder == "output" and len(self._seen) < FETCHED_EARLY and ref not in self._seen:
                self._seen.add(ref)
                self._written.append(ref)
        if self._written and (self._fetcher is None or self._fetcher.done()):
            self._fetcher = asyncio.create_task(self._fetch_early(), name="fetching early")

    async def _fetch_early(self) -> None:
        while self._written:
            ref = self._written.popleft()
            try:
                self._early[ref] = (await self._backend.fetch(ref)).data
            except BotError as error:  # what failed early is tried again in earnest
                log.debug("%s is not there early: %s", ref.filename, error)

    # ------------------------------------------------------------------ after the end

    async def collect(self, job: Job, stopped: Message | None = None) -> Outcome:
        """Return what the run came to, its files fetched; `stopped` says why we interrupted it, if we did.

        Raises `RunForgottenError`, and `FilesGoneError` for a run that ended well.
        """
        result = await self._result(job)
        refs = chosen(result, job.spec)
        texts = told(result, job.spec, refs)
        note = remark(result, [*refs, *(text.ref for text in texts)], job.note, job.spec)
        if stopped and result.failure and result.failure.kind is FailureKind.INTERRUPTED:
            note = stopped
        basket = await self._basket(refs)
        was_stopped = result.failure is not None and result.failure.kind is FailureKind.INTERRUPTED
        outcome = Outcome([*basket.files, *texts], note or basket.refusal, was_stopped)
        # A file of an earlier prompt may have been deleted, and its name given to somebody else's picture since
        is_old = any(ref.node_id in result.cached for ref in refs)
        if (basket.is_missing or is_old) and result.failure is None:
            raise FilesGoneError(outcome)
        return outcome

    async def _result(self, job: Job) -> RunResult:
        for pause in READ_PAUSES:
            try:
                return await self._backend.result(job.prompt_id)
            except (ServerOfflineError, ServerFaultError) as error:
                log.warning("job %s: its outcome cannot be read: %s", job.id, error)
                is_there = isinstance(error, ServerFaultError) and error.status != GONE
            if not is_there and not await self._is_known(job):
                raise RunForgottenError
            await self._clock.sleep(pause)
        return await self._last_try(job)

    async def _is_known(self, job: Job) -> bool:
        return await located(self._backend, self._clock, job.prompt_id) is Whereabouts.FINISHED

    async def _last_try(self, job: Job) -> RunResult:
        try:
            return await self._backend.result(job.prompt_id)
        except (ServerOfflineError, ServerFaultError) as error:
            raise FailedError(
                _("ComfyUI is done with this, but does not say what came of it. Please tell the bot's owner.")
            ) from error

    async def _basket(self, refs: Sequence[OutputRef]) -> _Basket:
        """Fetch what the server hands out: one bad file costs no other."""
        if self._fetcher:
            await asyncio.wait({self._fetcher})
        basket = _Basket()
        for ref in refs:
            if basket.size >= MOST_BYTES:
                basket.refusal = _("The other files were left on the server: together they are too large.")
                break
            await self._fill(basket, ref)
        return basket

    async def _fill(self, basket: _Basket, ref: OutputRef) -> None:
        try:
            data = self._early.pop(ref, None)
            file = OutputFile(ref, data) if data is not None else await self._fetched(ref)
        except BotError as error:
            log.warning("%s is not handed out: %s", ref.filename, error)
            basket.is_missing |= _is_gone(error)
            basket.refusal = _refusal(error)
        else:
            basket.files.append(file)
            basket.size += len(file.data)

    async def _fetched(self, ref: OutputRef) -> OutputFile:
        for pause in FETCH_PAUSES:
            try:
                return await self._backend.fetch(ref)
            except ServerOfflineError:  # the file outlives a restart of the server
                await self._clock.sleep(pause)
                await self._backend.wait_online()
            except ServerFaultError as error:
                if error.status < 500:
                    raise
                await self._clock.sleep(pause)
        return await self._backend.fetch(ref)


def _is_gone(error: BotError) -> bool:
    return isinstance(error, ServerFaultError) and error.status == GONE


def _refusal(error: BotError) -> Message:
    """Say why a file is missing from the result."""
    if _is_gone(error):
        return _("ComfyUI made the picture, but its file is gone. Please ask again, with another seed.")
    if isinstance(error, ServerFaultError):
        return _(
            "ComfyUI made the picture, but answers with an error ({status}) instead of handing it out."
            " Please tell the bot's owner, and try again.",
            status=error.status,
        )
    return _("ComfyUI made the pictures, but does not hand them out. Please tell the bot's owner, and try again.")
