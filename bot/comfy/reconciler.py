"""Reconciles subscribed prompts with the server when events are missing: after a reconnect, silence or a deaf socket.

Missed frames are never sent again. While the socket is healthy no requests are made; otherwise the queue (and the
history, for prompts that left it) shows what became of a prompt.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.comfy.frames import Frame, PromptFrame, Status
from bot.comfy.prompt_lookup import PromptLookup
from bot.comfy.queue_load import ForeignPrompts
from bot.comfy.socket import WebSocketConnection
from bot.comfy.subscriptions import (
    CHECK_NOW,
    NOT_CONFIRMED,
    PromptSubscription,
    PromptSubscriptions,
)
from bot.comfy.timeouts import Timeouts
from bot.errors import BotError
from bot.workflow.run.events import PromptLocation, RunEnded

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _ExpectedEvent:
    """An accepted POST that must cause a frame by `deadline`."""

    connection: int
    news: int
    deadline: float
    is_awake: bool = False
    """Whether the server has answered since: one blocked by a model load sends frames late too."""


class Reconciler:
    """The fallback for one server's WebSocket."""

    def __init__(
        self,
        *,
        client: ComfyClient,
        lookup: PromptLookup,
        socket: WebSocketConnection,
        subscriptions: PromptSubscriptions,
        clock: Clock,
        timeouts: Timeouts,
        foreign: ForeignPrompts,
    ) -> None:
        self._foreign = foreign
        self._client = client
        self._lookup = lookup
        self._socket = socket
        self._subscriptions = subscriptions
        self._clock = clock
        self._timeouts = timeouts
        self._expected: _ExpectedEvent | None = None
        self._replaced = float("-inf")
        self._remaining = 0
        self._shrank = float("inf")
        self._unexplained = 0

    async def run(self) -> None:
        """Check at every tick until cancelled."""
        while True:
            await self._clock.sleep(self._timeouts.tick)
            try:
                await self._check_expected()
                self._check_queue()
                await self._check_due()
                await self._check_silence()
                await self._foreign.refresh()
            except BotError as err:
                log.debug("reconciliation skipped: %s", err)

    # ------------------------------------------------------------------ prompts

    def recheck(self) -> None:
        """Look up all prompts at the next tick: after a reconnect, frames were missed."""
        for subscription in self._subscriptions:
            subscription.last_check = CHECK_NOW

    def is_followed(self, subscription: PromptSubscription) -> bool:
        """Return whether events of the prompt can arrive on the current connection, as far as known."""
        return self._socket.connected and 0 < self._socket.since <= subscription.connection

    async def _check_due(self) -> None:
        due = [each for each in self._subscriptions if self._is_due(each)]
        if not due:
            return
        silent = [each for each in due if self._should_have_heard(each)]
        for subscription in due:
            subscription.last_check = self._clock.monotonic()
        locations = await self._locate(due)
        missed = any(locations[each.prompt_id] is PromptLocation.FINISHED and not each.over for each in silent)
        for subscription in due:
            subscription.on_location(locations[subscription.prompt_id], self._clock.monotonic())
        if missed:
            await self._give_up_socket()

    def _is_due(self, subscription: PromptSubscription) -> bool:
        if subscription.end_announced:
            interval = self._timeouts.settle
        else:
            interval = self._timeouts.silence if self.is_followed(subscription) else self._timeouts.poll
        age = self._clock.monotonic() - subscription.last_check
        return subscription.known and not subscription.over and age >= interval

    def _should_have_heard(self, subscription: PromptSubscription) -> bool:
        """Whether the socket should have reported the prompt's end, if there was one."""
        return self.is_followed(subscription) and not subscription.end_announced and subscription.last_check > CHECK_NOW

    async def _locate(self, subscriptions: Sequence[PromptSubscription]) -> dict[str, PromptLocation]:
        return await self._lookup.locate([each.prompt_id for each in subscriptions])

    async def _check_silence(self) -> None:
        """Reopen the socket once if the server is running one of our prompts but sends no events.

        A socket that the server confused with another one stays deaf, and looks like an idle one. The server is asked
        first: after a freeze its frames follow soon, and a frozen one would not answer the close frame.
        """
        silent = [each for each in self._subscriptions if self._is_silent_while_running(each)]
        if not silent or not self._socket.connected:
            return
        await self._confirm_running([each for each in silent if each.confirmed is NOT_CONFIRMED])
        unheard = [each for each in silent if self._is_silent_while_running(each) and self._is_late(each)]
        for subscription in unheard:
            subscription.reconnected = True
        if unheard:
            await self._socket.reopen()

    async def _confirm_running(self, silent: Sequence[PromptSubscription]) -> None:
        if not silent:
            return
        locations = await self._locate(silent)
        now = self._clock.monotonic()
        for subscription in silent:
            location = locations[subscription.prompt_id]
            subscription.on_location(location, now)
            if location is PromptLocation.RUNNING and self._is_silent_while_running(subscription):
                subscription.confirmed = now

    def _is_late(self, subscription: PromptSubscription) -> bool:
        """Whether events lag behind the server's confirmation; decided well within the subscriber's idle limit."""
        grace = min(self._timeouts.settle, subscription.idle_limit / 8)
        return self._clock.monotonic() - subscription.confirmed >= grace

    def _is_silent_while_running(self, subscription: PromptSubscription) -> bool:
        if subscription.over or subscription.reconnected or not subscription.started:
            return False
        limit = min(self._timeouts.silent_run, subscription.idle_limit / 2)
        return self._clock.monotonic() - subscription.last_event >= limit

    # ------------------------------------------------------------------ the queue

    def on_frame(self, frame: Frame) -> None:
        """Follow the queue length; returns at once.

        A prompt removed from the queue causes no event of its own. So when the queue shrinks, and not because one of
        our prompts ended, our pending prompts are looked up.
        """
        match frame:
            case Status(queue_remaining=remaining):
                self._foreign.on_status(frame)
                if remaining < self._remaining:
                    self._unexplained += self._remaining - remaining
                    self._shrank = self._clock.monotonic()
                self._remaining = remaining
            case PromptFrame(prompt_id, events) if RunEnded() in events and self._subscriptions.get(prompt_id):
                self._unexplained -= 1  # the event for the end comes after the one for the queue length
            case _:
                pass

    def _check_queue(self) -> None:
        if self._clock.monotonic() - self._shrank < self._timeouts.settle:
            return
        if self._unexplained > 0:
            for subscription in self._subscriptions:
                if subscription.known and not subscription.started and subscription.last_check <= self._shrank:
                    subscription.last_check = CHECK_NOW
        self._unexplained = 0

    # ------------------------------------------------------------------ the socket

    def expect_status(self, connection: int, news: int) -> None:
        """Start the watchdog for an accepted POST; `news` is the socket's count before it."""
        if self._expected is None and self._socket.connected:
            self._expected = _ExpectedEvent(connection, news, self._clock.monotonic() + self._timeouts.first_event)

    async def _check_expected(self) -> None:
        """Replace the socket if a POST caused no event although the server answers."""
        expected = self._expected
        if expected is None or self._has_arrived(expected):
            self._expected = None
        elif self._clock.monotonic() < expected.deadline:
            return
        elif expected.is_awake:
            self._expected = None
            await self._give_up_socket()
        else:
            await self._client.queue()
            deadline = self._clock.monotonic() + self._timeouts.settle
            self._expected = replace(expected, deadline=deadline, is_awake=True)

    def _has_arrived(self, expected: _ExpectedEvent) -> bool:
        return self._socket.news > expected.news or self._socket.connection != expected.connection

    async def _give_up_socket(self) -> None:
        """Reconnect unless that was tried recently, and poll all prompts until their events arrive."""
        for subscription in self._subscriptions:
            subscription.connection = 0
        now = self._clock.monotonic()
        if now - self._replaced >= self._timeouts.replacement:
            self._replaced = now
            await self._socket.reconnect()
