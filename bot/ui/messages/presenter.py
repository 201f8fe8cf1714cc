"""Implements the `Presenter` of `bot.jobs` on Discord: one message per job, edited in place.

Progress goes through `bot.ui.messages.live_message`, the final edit through `bot.ui.messages.final_edit`, further
messages through `bot.ui.messages.followups`; this module puts them in order.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from bot.clock import Clock
from bot.errors import FailedError, OfflineError
from bot.i18n import Message, _
from bot.jobs.job import Delivery, Job, MessageLocation
from bot.jobs.ports import ON_ITS_WAY
from bot.jobs.repository import DatabaseUnavailableError
from bot.jobs.status import JobUpdate, RunningStatus
from bot.ui.messages.direct_messages import DirectMessages, Notes
from bot.ui.messages.discord_errors import DiscordError, ErrorKind
from bot.ui.messages.edit_route import Attached, MessageRoute
from bot.ui.messages.edit_throttle import EditBudget
from bot.ui.messages.final_edit import FinalEditor
from bot.ui.messages.followups import SHRINK, SIZE_TRIES, ChannelMessages, FollowupPoster
from bot.ui.messages.live_message import LiveMessage, MessageContext, Previews
from bot.ui.messages.packing import (
    Batch,
    Fitting,
    Packer,
    Result,
    remark,
)
from bot.ui.messages.render import Renderer
from bot.ui.page import Page
from bot.workflow.run.events import OutputFile

log = logging.getLogger(__name__)

ENDED_KEPT = 1000
"""Ended jobs whose late progress is still recognised and dropped."""
LIVE_KEPT = 20_000
"""Unfinished jobs; any beyond this are leftovers, such as jobs that another process took over."""


class PictureShop(Fitting, Previews, Protocol):
    """Prepares images for posting (`bot.images`)."""


class Board(Protocol):
    """Shares the progress of jobs (`bot.jobs.cluster.progress_cache`)."""

    def report(self, job_id: str, fraction: float) -> None:
        """Set a job's progress, 0 to 1."""
        ...

    def forget(self, job_id: str) -> None: ...


class DiscordPresenter:
    def __init__(
        self,
        *,
        route: MessageRoute,
        posts: ChannelMessages,
        direct_messages: DirectMessages,
        renderer: Renderer,
        pictures: PictureShop,
        notes: Notes,
        clock: Clock,
        share: Callable[[], float] = lambda: 1.0,
        board: Board | None = None,
    ) -> None:
        """`share` is this process's part of the edit budget of all processes."""
        self._route = route
        self._posts = posts
        self._renderer = renderer
        self._endings = FinalEditor(route=route, direct_messages=direct_messages, notes=notes, clock=clock)
        self._packer = Packer(pictures=pictures)
        self._parts = FollowupPoster(
            posts=posts,
            packer=self._packer,
            renderer=renderer,
            direct_messages=direct_messages,
            notes=notes,
            clock=clock,
        )
        self._tools = MessageContext(route, renderer, pictures, clock, EditBudget(clock=clock, share=share), notes.get)
        self._board = board
        self._live: OrderedDict[str, LiveMessage] = OrderedDict()
        self._leaving: dict[str, LiveMessage] = {}
        """Forgotten jobs with an edit in flight."""
        self._ended: OrderedDict[str, int] = OrderedDict()

    # ------------------------------------------------------------------ progress

    def update(self, job: Job, update: JobUpdate) -> None:
        if self._has_ended(job):
            return
        if self._board is not None and isinstance(update, RunningStatus) and update.fraction is not None:
            self._board.report(job.id, update.fraction)
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

    async def settle(self, job_id: str) -> None:
        if (live := self._leaving.get(job_id)) is not None:
            await live.settled()
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
        except DiscordError as refusal:
            if refusal.meaning is not ErrorKind.TOKEN_DEAD:
                raise _unreachable() from refusal
        return await self._answer_in_channel(place)

    async def _answer_in_channel(self, place: MessageLocation) -> int:
        """Search the channel, since the token has expired. Finding nothing proves nothing."""
        try:
            found = await self._posts.find_answer(place) if place.bot_can_edit else None
        except DiscordError as refusal:
            if refusal.meaning is ErrorKind.TRANSIENT:
                raise _unreachable() from refusal
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
            job, batch = await self._first(job, result, note)
            job, left = await self._parts.post(job, result.batches[1:])
            if left:
                await self._endings.edit(job, *self._shown(job, batch, result, note, left))
        except DiscordError as refusal:
            return await self._endings.not_made(job, refusal)
        except DatabaseUnavailableError:
            return Delivery.PENDING
        return Delivery.SENT

    async def fail(self, job: Job, reason: Message) -> Delivery:
        await self._end(job)
        try:
            await self._endings.edit(job, self._renderer.failure(job, reason))
        except DiscordError as refusal:
            return await self._endings.not_made(job, refusal, reason)
        except DatabaseUnavailableError:
            return Delivery.PENDING
        return Delivery.SENT

    async def _end(self, job: Job) -> None:
        """Stop the progress of a job."""
        self._ended[job.id] = max(job.epoch, self._ended.pop(job.id, 0))
        while len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)
        if self._board is not None:
            self._board.forget(job.id)
        live = self._live.pop(job.id, None)
        if live is not None:
            await live.finish()

    async def _first(self, job: Job, result: Result, note: Message | None) -> tuple[Job, Batch]:
        """Show the first files in the job's own message, shrunk further if Discord rejects their size."""
        batch = result.batches[0]
        for _try in range(SIZE_TRIES):
            try:
                return await self._endings.edit(job, *self._shown(job, batch, result, note)), batch
            except DiscordError as refusal:
                if refusal.meaning is not ErrorKind.TOO_LARGE:
                    raise
            batch = await self._packer.shrink(job, batch, SHRINK) if batch else ()
            if not batch:
                break
        raise _too_large()

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
        return job.epoch <= self._ended.get(job.id, -1)

    def _live_of(self, job: Job) -> LiveMessage:
        live = self._live.get(job.id)
        if live is None:
            live = self._live[job.id] = LiveMessage(job, self._tools)
            while len(self._live) > LIVE_KEPT:
                self._live.popitem(last=False)[1].drop()
        return live


def _unreachable() -> OfflineError:
    return OfflineError(_("I can't reach Discord right now. Please try again in a minute."))


def _too_large() -> FailedError:
    return FailedError(_("The result is too large to post here. Try a smaller size or fewer images."))
