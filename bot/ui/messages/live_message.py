"""The message of one unfinished job: its progress and, where only a token can edit it, the button for a fresh token.

Such a message (ephemeral, or where only the user installed the bot) freezes when its token expires. Shortly before,
*Show result* appears under it, even without news of the job; pressing it brings the next token.
"""

import asyncio
import logging
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.errors import BotError
from bot.images.service import ImageService
from bot.jobs.job import Job, MessageLocation
from bot.jobs.repository import DatabaseUnavailableError, JobRepository
from bot.jobs.status import JobUpdate, RunningStatus
from bot.ui.messages.discord_errors import DiscordError, ErrorKind
from bot.ui.messages.edit_route import TOKEN_MARGIN, Attached, MessageRoute
from bot.ui.messages.edit_throttle import EditBudget, MessageClosedError, ProgressEditor
from bot.ui.messages.render import SHOW_RESULT, Renderer
from bot.ui.page import Page

log = logging.getLogger(__name__)

OFFER_LEAD = 20.0
"""Seconds before minute 14 at which the button appears, to leave time for retries."""
OFFER_RETRY = 4.0
"""Seconds between tries to show it."""
TOKEN_POLL_INTERVAL = 5.0
"""Seconds between checks for a fresh token in the database."""
GOES_ON = {ErrorKind.TRANSIENT, ErrorKind.TOO_LARGE, ErrorKind.BUG}
"""Errors of a progress edit after which the next one may succeed."""


@dataclass(frozen=True, slots=True)
class MessageContext:
    """What all live messages share."""

    route: MessageRoute
    renderer: Renderer
    images: ImageService
    clock: Clock
    budget: EditBudget
    store: JobRepository


@dataclass(frozen=True, slots=True)
class _State:
    update: JobUpdate | None
    try_: int
    """Incremented to send the same state again."""


class LiveMessage:
    """Keeps one message up to date until `finish`."""

    def __init__(self, job: Job, context: MessageContext) -> None:
        self._job = job
        self._context = context
        self._clock = context.clock
        self._update: JobUpdate | None = None
        self._tries = 0
        self.edited = 0.0
        """When the last edit ended, in seconds since the epoch; 0 before the first one."""
        self._shown: tuple[Page, bytes | None] | None = None
        self._offer: asyncio.Task[None] | None = None
        self._dropped: list[ProgressEditor[_State]] = []
        """Stopped editors whose last edit is still in flight."""
        self._editor = self._new_editor(at_once=False)
        self._plan_offer()

    @property
    def location(self) -> MessageLocation:
        """Where the message is, with the newest token."""
        return self._job.place

    def show(self, job: Job, update: JobUpdate) -> None:
        self._update = update
        if job.place.token_expires > self.location.token_expires:
            return self.use_fresh_token(job)
        self._job = replace(job, place=self.location)
        return self._send_soon()

    def use_fresh_token(self, job: Job) -> None:
        """Continue with a fresh token, and show the known state immediately."""
        self.drop()
        self._job = job
        self._shown = None
        self._editor = self._new_editor(at_once=True)
        self._plan_offer()
        self._send_soon()

    async def finish(self) -> None:
        """Stop; no edit is sent after this returns."""
        if self._offer is not None:
            self._offer.cancel()
            await asyncio.gather(self._offer, return_exceptions=True)
            self._offer = None  # see `ProgressEditor.finish`
        await self._editor.finish()

    def drop(self) -> None:
        """Stop without waiting for an edit in flight."""
        if self._offer is not None:
            self._offer.cancel()
        self._editor.stop()
        self._dropped = [editor for editor in (*self._dropped, self._editor) if editor.is_sending]

    @property
    def is_sending(self) -> bool:
        """Whether an edit is in flight, including those from before the last `use_fresh_token`."""
        return self._editor.is_sending or any(editor.is_sending for editor in self._dropped)

    async def wait_for_edits(self) -> None:
        """Wait for edits in flight, after `drop`."""
        for editor in self._dropped:
            await editor.wait_for_edit()

    def _new_editor(self, *, at_once: bool) -> ProgressEditor[_State]:
        age = self._clock.now() - self._job.created
        return ProgressEditor(self._send, clock=self._clock, budget=self._context.budget, age=age, at_once=at_once)

    def _send_soon(self) -> None:
        self._editor.show(_State(self._update, self._tries))

    async def _send(self, state: _State) -> None:
        preview = await self._preview(state.update)
        page = self._page(state.update, has_preview=preview is not None)
        if (page, preview) == self._shown:
            return
        files = [Attached("preview.jpg", preview)] if preview else []
        try:
            await self._context.route.edit(self.location, page, files)
        except DiscordError as error:
            if error.kind in GOES_ON:
                is_ours = error.kind is ErrorKind.BUG
                log.warning("job %s: a progress edit failed: %s", self._job.id, error, exc_info=is_ours)
                return
            log.info("job %s: stopped showing progress: %s", self._job.id, error)
            raise MessageClosedError(str(error)) from error
        finally:
            self.edited = self._clock.now()
        self._shown = (page, preview)

    def _page(self, update: JobUpdate | None, *, has_preview: bool) -> Page:
        renderer, job = self._context.renderer, self._job
        page = renderer.under_way(job) if update is None else renderer.update(job, update, preview=has_preview)
        offers = not self.location.bot_can_edit and self._clock.now() >= self._offer_time
        return renderer.offer(job, page) if offers else page

    async def _preview(self, update: JobUpdate | None) -> bytes | None:
        if not isinstance(update, RunningStatus) or update.preview is None:
            return None
        try:
            return await self._context.images.preview(update.preview)
        except BotError:
            return None

    # ------------------------------------------------------------------ the button

    @property
    def _offer_time(self) -> float:
        return self.location.token_expires - TOKEN_MARGIN - OFFER_LEAD

    def _plan_offer(self) -> None:
        if not self.location.bot_can_edit:
            self._offer = asyncio.create_task(self._make_offer(self.location), name="show result")

    async def _make_offer(self, place: MessageLocation) -> None:
        """Show the button in time, even without other edits, and continue once a fresh token is stored."""
        await self._clock.sleep(max(0.0, self._offer_time - self._clock.now()))
        while self._clock.now() < place.token_expires and not self._has_button:
            self._tries += 1
            self._send_soon()
            await self._clock.sleep(OFFER_RETRY)
        while not await self._is_renewed(place):
            await self._clock.sleep(TOKEN_POLL_INTERVAL)

    async def _is_renewed(self, place: MessageLocation) -> bool:
        """Continue with a fresh token if there is one; another process may have received the click and stored it."""
        try:
            job = await self._context.store.get(self._job.id)
        except DatabaseUnavailableError:
            return False
        if job is None or job.state.is_final:
            return True
        if job.place.token_expires > place.token_expires:
            self.use_fresh_token(replace(self._job, place=job.place))
            return True
        return False

    @property
    def _has_button(self) -> bool:
        return self._shown is not None and any(
            button.custom_id.startswith(SHOW_RESULT) for button in self._shown[0].buttons
        )
