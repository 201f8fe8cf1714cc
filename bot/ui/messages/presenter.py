"""Implements the `Presenter` of `bot.jobs` on Discord: one message per job, edited in place.

Progress goes through `bot.ui.messages.live_message`, the final edit through `bot.ui.messages.final_edit`, further
messages through `bot.ui.messages.followups`; this module puts them in order.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence

from cachetools import LRUCache

from bot.clock import Clock
from bot.errors import FailedError, OfflineError
from bot.i18n import Message, _
from bot.images.service import ImageService
from bot.jobs.cluster.progress_cache import ProgressCache
from bot.jobs.job import Delivery, Job, MessageLocation
from bot.jobs.ports import ON_ITS_WAY
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.status import JobUpdate, RunningStatus
from bot.ui.messages.direct_messages import DirectMessages
from bot.ui.messages.discord_errors import DiscordError, ErrorKind
from bot.ui.messages.edit_route import Attached, MessageRoute
from bot.ui.messages.edit_throttle import EditBudget
from bot.ui.messages.final_edit import FinalEditor
from bot.ui.messages.followups import ChannelMessages, FollowupPoster
from bot.ui.messages.live_message import LiveMessage, MessageContext
from bot.ui.messages.packing import (
    Batch,
    Packer,
    Result,
    remark,
)
from bot.ui.messages.render import Renderer
from bot.ui.page import Page
from bot.workflow.run.events import OutputFile

log = logging.getLogger(__name__)

MAX_ENDED = 1000
"""Ended jobs whose late progress is still recognised and dropped."""
MAX_LIVE = 20_000
"""Unfinished jobs; any beyond this are leftovers, such as jobs that another process took over."""


class DiscordPresenter:
    def __init__(
        self,
        *,
        route: MessageRoute,
        channel_messages: ChannelMessages,
        direct_messages: DirectMessages,
        renderer: Renderer,
        images: ImageService,
        store: JobRepository,
        progress: ProgressCache,
        clock: Clock,
        share: Callable[[], float] = lambda: 1.0,
    ) -> None:
        """`share` is this process's part of the edit budget of all processes."""
        self._route = route
        self._channel_messages = channel_messages
        self._renderer = renderer
        self._final_editor = FinalEditor(route=route, direct_messages=direct_messages, store=store, clock=clock)
        self._packer = Packer(images=images)
        self._followups = FollowupPoster(
            channel_messages=channel_messages,
            packer=self._packer,
            renderer=renderer,
            direct_messages=direct_messages,
            store=store,
            clock=clock,
        )
        self._context = MessageContext(route, renderer, images, clock, EditBudget(clock=clock, share=share), store)
        self._progress = progress
        self._live: OrderedDict[str, LiveMessage] = OrderedDict()
        self._leaving: dict[str, LiveMessage] = {}
        """Forgotten jobs with an edit in flight."""
        self._ended_epochs: LRUCache[str, int] = LRUCache(MAX_ENDED)

    # ------------------------------------------------------------------ progress

    def update(self, job: Job, update: JobUpdate) -> None:
        if self._has_ended(job):
            return
        if isinstance(update, RunningStatus) and update.fraction is not None:
            self._progress.report(job.id, update.fraction)
        self._live_of(job).show(job, update)

    def use_fresh_token(self, job: Job) -> None:
        """Continue with the fresh token of an unfinished job."""
        if not self._has_ended(job):
            self._live_of(job).use_fresh_token(job)

    def forget(self, job_id: str) -> float:
        live = self._live.pop(job_id, None)
        if live is None:
            return ON_ITS_WAY if job_id in self._leaving else 0.0
        live.drop()
        self._leaving = {key: left for key, left in self._leaving.items() if left.is_sending}
        if live.is_sending:
            self._leaving[job_id] = live
        return ON_ITS_WAY if live.is_sending else live.edited

    async def wait_for_edit(self, job_id: str) -> None:
        if (live := self._leaving.get(job_id)) is not None:
            await live.wait_for_edits()
            if self._leaving.get(job_id) is live:
                del self._leaving[job_id]

    async def close(self) -> None:
        """Stop all progress edits, and wait for those in flight."""
        live = (*self._live.values(), *self._leaving.values())
        self._live.clear()
        self._leaving.clear()
        await asyncio.gather(*(message.finish() for message in live))

    async def find_answer(self, place: MessageLocation) -> int | None:
        try:
            return await self._route.answer(place)
        except DiscordError as error:
            if error.kind is not ErrorKind.TOKEN_DEAD:
                raise _unreachable() from error
        return await self._answer_in_channel(place)

    async def _answer_in_channel(self, place: MessageLocation) -> int:
        """Search the channel, since the token has expired. Finding nothing proves nothing."""
        try:
            found = await self._channel_messages.find_answer(place) if place.bot_can_edit else None
        except DiscordError as error:
            if error.kind is ErrorKind.TRANSIENT:
                raise _unreachable() from error
            found = None
        if found is None:
            raise FailedError(_("I was offline too long to finish this. Please run the command again."))
        return found

    # ------------------------------------------------------------------ the end

    async def deliver(self, job: Job, outputs: Sequence[OutputFile], note: Message | None) -> Delivery:
        await self._end(job)
        result = await self._packer.pack(job, outputs)
        if not result.batches:
            raise _too_large()
        try:
            job, batch = await self._edit_first(job, result, note)
            job, left = await self._followups.post(job, result.batches[1:])
            if left:
                await self._final_editor.edit(job, *self._shown(job, batch, result, note, left))
        except DiscordError as error:
            return await self._final_editor.handle_error(job, error)
        except DatabaseUnavailableError:
            return Delivery.PENDING
        return Delivery.SENT

    async def fail(self, job: Job, reason: Message) -> Delivery:
        await self._end(job)
        try:
            await self._final_editor.edit(job, self._renderer.failure(job, reason))
        except DiscordError as error:
            return await self._final_editor.handle_error(job, error, reason)
        except DatabaseUnavailableError:
            return Delivery.PENDING
        return Delivery.SENT

    async def _end(self, job: Job) -> None:
        """Stop the progress of a job."""
        self._ended_epochs[job.id] = max(job.epoch, self._ended_epochs.get(job.id, 0))
        self._progress.forget(job.id)
        live = self._live.pop(job.id, None)
        if live is not None:
            await live.finish()

    async def _edit_first(self, job: Job, result: Result, note: Message | None) -> tuple[Job, Batch]:
        """Show the first files in the job's own message, shrunk further if Discord rejects their size."""
        try:
            return await self._packer.send(
                job,
                result.batches[0],
                lambda batch: self._final_editor.edit(job, *self._shown(job, batch, result, note)),
            )
        except DiscordError as error:
            if error.kind is ErrorKind.TOO_LARGE:
                raise _too_large() from error
            raise

    def _shown(
        self, job: Job, batch: Batch, result: Result, note: Message | None, left: int = 0
    ) -> tuple[Page, list[Attached]]:
        """Return the job's final message; `batch` is what fits of the first batch of `result`."""
        files = [piece.attached for piece in batch]
        unfit = result.unfit + len(result.batches[0]) - len(batch)
        whole = remark(note, unfit=unfit, surplus=result.surplus + left)
        return self._renderer.result(job, [file.filename for file in files], whole, result.words), files

    # ------------------------------------------------------------------ what is known of unfinished jobs

    def _has_ended(self, job: Job) -> bool:
        """Return whether this is late news of an ended job; a job that was requeued has a higher epoch."""
        return job.epoch <= self._ended_epochs.get(job.id, -1)

    def _live_of(self, job: Job) -> LiveMessage:
        live = self._live.get(job.id)
        if live is None:
            live = self._live[job.id] = LiveMessage(job, self._context)
            while len(self._live) > MAX_LIVE:
                self._live.popitem(last=False)[1].drop()
        return live


def _unreachable() -> OfflineError:
    return OfflineError(_("I can't reach Discord right now. Please try again in a minute."))


def _too_large() -> FailedError:
    return FailedError(_("The result is too large to post here. Try a smaller size or fewer images."))
