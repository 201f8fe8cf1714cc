"""Tells people about their jobs: the `Presenter` of `bot.jobs`, on Discord. One message per job, edited in place."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import discord

from bot.clock import Clock
from bot.errors import BotError
from bot.i18n import Message, _, n_
from bot.images.fit import FittedFile
from bot.jobs.job import Job
from bot.jobs.updates import JobUpdate, Running
from bot.ui.editor import EditBudget, MessageClosedError, ProgressEditor
from bot.ui.page import Page
from bot.ui.render import Renderer
from bot.ui.route import Attached, MessageRoute, TooLargeError
from bot.workflow.execution import OutputFile

log = logging.getLogger(__name__)

MAX_FILES = 10
"""Discord's limit for one message."""
MAX_REQUEST = 24 * 1024 * 1024
"""Bytes of all files of one message: Discord takes 25 MiB for the whole request."""
SIZE_TRIES = 3
SHRINK = 0.6
"""How far the limit is lowered when Discord finds the files too large all the same."""
ENDED_KEPT = 1000
"""Ended jobs whose late progress is still recognised and dropped."""
RETRY_PAUSES = (2.0, 5.0, 15.0)
"""Seconds before each further try of a final edit that failed for a reason that may pass."""


class PictureShop(Protocol):
    """What is done to pictures before they are posted (`bot.images`)."""

    async def fit(self, data: bytes, limit: int) -> FittedFile:
        """Free a result of metadata and make it fit `limit` bytes."""
        ...

    async def preview(self, data: bytes) -> bytes | None:
        """Make a half-finished picture small; None when it cannot or need not be shown."""
        ...


class JobMessages:
    """Keeps the message of every unfinished job up to date, and makes its last edit."""

    def __init__(self, *, route: MessageRoute, renderer: Renderer, pictures: PictureShop, clock: Clock) -> None:
        self._route = route
        self._renderer = renderer
        self._pictures = pictures
        self._clock = clock
        self._budget = EditBudget(clock=clock)
        self._editors: dict[str, ProgressEditor[JobUpdate]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def update(self, job: Job, update: JobUpdate) -> None:
        """See `Presenter.update`."""
        if job.id in self._ended:
            return
        editor = self._editors.get(job.id)
        if editor is None:
            message = _ProgressMessage(job, self._route, self._renderer, self._pictures)
            editor = ProgressEditor(message.show, clock=self._clock, budget=self._budget)
            self._editors[job.id] = editor
        editor.show(update)

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> bool:
        """See `Presenter.deliver`."""
        limit = min(job.place.upload_limit, MAX_REQUEST // max(1, min(len(outputs), MAX_FILES)))
        for _try in range(SIZE_TRIES):
            files, omitted = await self._fitted(job, outputs, limit)
            if not files:
                break
            page = self._renderer.result(job, [file.filename for file in files], _with_omitted(note, omitted))
            try:
                return await self._final(job, page, files)
            except TooLargeError:
                limit = int(min(limit, max(len(file.data) for file in files)) * SHRINK)
                log.info("job %s: Discord wants smaller files; trying %d bytes each", job.id, limit)
        await self.fail(job, _("The pictures are too large for this channel. Try a smaller size or fewer pictures."))
        return False

    async def fail(self, job: Job, reason: Message) -> bool:
        """See `Presenter.fail`."""
        return await self._final(job, self._renderer.failure(job, reason), ())

    async def close(self) -> None:
        """Stop all progress edits; those on the wire arrive."""
        editors, self._editors = tuple(self._editors.values()), {}
        await asyncio.gather(*(editor.finish() for editor in editors))

    async def _fitted(self, job: Job, outputs: Sequence[OutputFile], limit: int) -> tuple[list[Attached], int]:
        """Return what can be posted, and how many files cannot: too large, or more than one message takes."""
        files: list[Attached] = []
        for output in outputs[:MAX_FILES]:
            try:
                fitted = await self._pictures.fit(output.data, limit)
            except BotError as error:
                log.info("job %s: a file is left out: %s", job.id, error)
                continue
            name = f"{job.spec.workflow}_{job.id[:8]}_{len(files) + 1}.{fitted.extension}"
            files.append(Attached(name, fitted.data))
        return files, len(outputs) - len(files)

    async def _final(self, job: Job, page: Page, files: Sequence[Attached]) -> bool:
        editor = self._editors.pop(job.id, None)
        self._ended[job.id] = None
        while len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        if editor is not None:
            await editor.finish()
        for pause in (*RETRY_PAUSES, None):
            try:
                await self._route.edit(job.place, page, files)
            except MessageClosedError as error:
                log.warning("job %s: its message cannot be edited any more: %s", job.id, error)
                return False
            except TooLargeError:
                raise
            except Exception as error:  # discord.py lets the faults of its HTTP library through
                if pause is None or _is_refusal(error):
                    log.exception("job %s: its last edit failed", job.id)
                    return await self._last_words(job) if files else False
                await self._clock.sleep(pause)
            else:
                return True
        return False

    async def _last_words(self, job: Job) -> bool:
        """Say at least that there is a result which Discord does not take; never that it was delivered."""
        await self._final(
            job, self._renderer.failure(job, _("Discord does not take the result. Please ask again.")), ()
        )
        return False


def _is_refusal(error: Exception) -> bool:
    """Whether trying again would end the same; a 408 or 429 would not."""
    return isinstance(error, discord.HTTPException) and 400 <= error.status < 500 and error.status not in (408, 429)


class _ProgressMessage:
    """Sends the progress of one job, and nothing that would look as before."""

    def __init__(self, job: Job, route: MessageRoute, renderer: Renderer, pictures: PictureShop) -> None:
        self._job = job
        self._route = route
        self._renderer = renderer
        self._pictures = pictures
        self._last: tuple[Page, bytes | None] | None = None

    async def show(self, update: JobUpdate) -> None:
        preview = await self._small(update.preview) if isinstance(update, Running) and update.preview else None
        page = self._renderer.update(self._job, update, preview=preview is not None)
        if (page, preview) == self._last:
            return
        await self._route.edit(self._job.place, page, [Attached("preview.jpg", preview)] if preview else [])
        self._last = (page, preview)

    async def _small(self, data: bytes) -> bytes | None:
        try:
            return await self._pictures.preview(data)
        except BotError:
            return None


def _with_omitted(note: Message | None, omitted: int) -> Message | None:
    if not omitted:
        return note
    missing = n_(
        "One more file was made, but does not fit into this message.",
        "{count} more files were made, but do not fit into this message.",
        omitted,
    )
    return _("{note}\n{missing}", note=note, missing=missing) if note else missing
