"""Reconciles subscribed prompts with the server when events are missing: after a reconnect, silence or a deaf socket.

Missed frames are never sent again. While the socket is healthy no requests are made; otherwise the queue (and the
history, for prompts that left it) shows what became of a prompt.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.clock import Clock
from bot.comfy.client import ComfyClient
from bot.comfy.events import Event, Executing, Status
from bot.comfy.idle_hook import IdleHook
from bot.comfy.prompt_lookup import PromptLookup
from bot.comfy.queue_load import ForeignPrompts
from bot.comfy.socket import WebSocketConnection
from bot.comfy.subscriptions import (
    CHECK_NOW,
    NOT_ASKED,
    PromptSubscription,
    PromptSubscriptions,
)
from bot.comfy.timeouts import Timeouts
from bot.errors import BotError
from bot.workflow.run.events import PromptLocation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Expected:
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
        locator: PromptLookup,
        socket: WebSocketConnection,
        watches: PromptSubscriptions,
        clock: Clock,
        park: IdleHook,
        timing: Timeouts,
        crowd: ForeignPrompts,
    ) -> None:
        self._crowd = crowd
        self._client = client
        self._locator = locator
        self._socket = socket
        self._watches = watches
        self._clock = clock
        self._park = park
        self._timing = timing
        self._expected: _Expected | None = None
        self._renewed = float("-inf")
        self._remaining = 0
        self._shrank = float("inf")
        self._unexplained = 0

    async def run(self) -> None:
        """Check at every tick until cancelled."""
        while True:
            await self._park(self._clock.sleep(self._timing.tick))
            try:
                await self._check_deaf_socket()
                self._check_queue()
                await self._locate(self._due())
                await self._check_silence()
                await self._crowd.refresh()
            except BotError as err:
                log.debug("reconciliation skipped: %s", err)

    # ------------------------------------------------------------------ prompts

    def recheck(self) -> None:
        """Look up all prompts at the next tick: after a reconnect, frames were missed."""
        for watch in self._watches:
            watch.checked = CHECK_NOW

    def _due(self) -> list[PromptSubscription]:
        now = self._clock.monotonic()
        return [
            watch
            for watch in self._watches
            if watch.known and not watch.over and now - watch.checked >= self._patience(watch)
        ]

    def _patience(self, watch: PromptSubscription) -> float:
        if watch.settling:
            return self._timing.settle
        return self._timing.silence if self.is_followed(watch) else self._timing.poll

    def is_followed(self, watch: PromptSubscription) -> bool:
        """Return whether events of the prompt can arrive on the current connection, as far as known."""
        return self._socket.connected and 0 < self._socket.since <= watch.connection

    async def _locate(self, due: Sequence[PromptSubscription]) -> None:
        if not due:
            return
        silent = [watch for watch in due if self._is_silent(watch)]
        for watch in due:
            watch.checked = self._clock.monotonic()
        places = await self._locator.locate([watch.prompt_id for watch in due])
        unheard = [watch for watch in silent if not watch.over and places[watch.prompt_id] is PromptLocation.FINISHED]
        for watch in due:
            watch.found(places[watch.prompt_id], self._clock.monotonic())
        if unheard:
            await self._give_up_socket()

    def _is_silent(self, watch: PromptSubscription) -> bool:
        """Whether the socket should have reported the prompt's end, if there was one."""
        return self.is_followed(watch) and not watch.settling and watch.checked > CHECK_NOW

    async def _check_silence(self) -> None:
        """Reopen the socket once if the server is running one of our prompts but sends no events.

        A socket that the server confused with another one stays deaf, and looks like an idle one. The server is asked
        first: after a freeze its frames follow soon, and a frozen one would not answer the close frame.
        """
        silent = [watch for watch in self._watches if self._is_silent_while_running(watch)]
        if not silent or not self._socket.connected:
            return
        await self._ask_about([watch for watch in silent if watch.asked is NOT_ASKED])
        now = self._clock.monotonic()
        deaf = [
            watch
            for watch in silent
            if self._is_silent_while_running(watch) and now - watch.asked >= self._grace(watch)
        ]
        for watch in deaf:
            watch.reconnected = True
        if deaf:
            await self._socket.reopen()

    async def _ask_about(self, silent: Sequence[PromptSubscription]) -> None:
        if not silent:
            return
        places = await self._locator.locate([watch.prompt_id for watch in silent])
        now = self._clock.monotonic()
        for watch in silent:
            watch.found(places[watch.prompt_id], now)
            if places[watch.prompt_id] is PromptLocation.RUNNING and self._is_silent_while_running(watch):
                watch.asked = now

    def _grace(self, watch: PromptSubscription) -> float:
        """Return how long events may lag behind an answer, well within the subscriber's idle limit."""
        return min(self._timing.settle, watch.idle_limit / 8)

    def _is_silent_while_running(self, watch: PromptSubscription) -> bool:
        if watch.over or watch.reconnected or not watch.started:
            return False
        return self._clock.monotonic() - watch.spoke >= min(self._timing.mute, watch.idle_limit / 2)

    # ------------------------------------------------------------------ the queue

    def on_event(self, event: Event) -> None:
        """Process the queue length of an event; returns at once.

        A prompt removed from the queue causes no event of its own. So when the queue shrinks, and not because one of
        our prompts ended, our pending prompts are looked up.
        """
        if isinstance(event, Status):
            self._crowd.on_status(event)
            if event.queue_remaining < self._remaining:
                self._unexplained += self._remaining - event.queue_remaining
                self._shrank = self._clock.monotonic()
            self._remaining = event.queue_remaining
        elif isinstance(event, Executing) and event.node is None and self._watches.get(event.prompt_id):
            self._unexplained -= 1  # the event for the end comes after the one for the queue length

    def _check_queue(self) -> None:
        if self._clock.monotonic() - self._shrank < self._timing.settle:
            return
        if self._unexplained > 0:
            for watch in self._watches:
                if watch.known and not watch.started and watch.checked <= self._shrank:
                    watch.checked = CHECK_NOW
        self._unexplained = 0

    # ------------------------------------------------------------------ the socket

    def expect_status(self, connection: int, news: int) -> None:
        """Start the watchdog for an accepted POST; `news` is the socket's count before it."""
        if self._expected is None and self._socket.connected:
            self._expected = _Expected(connection, news, self._clock.monotonic() + self._timing.deaf)

    async def _check_deaf_socket(self) -> None:
        """Replace the socket if a POST caused no event although the server answers."""
        expected = self._expected
        if expected is None or self._heard(expected):
            self._expected = None
        elif self._clock.monotonic() < expected.deadline:
            return
        elif expected.is_awake:
            self._expected = None
            await self._give_up_socket()
        else:
            await self._client.queue()
            deadline = self._clock.monotonic() + self._timing.settle
            self._expected = replace(expected, deadline=deadline, is_awake=True)

    def _heard(self, expected: _Expected) -> bool:
        return self._socket.news > expected.news or self._socket.connection != expected.connection

    async def _give_up_socket(self) -> None:
        """Reconnect unless that was tried recently, and poll all prompts until their events arrive."""
        for watch in self._watches:
            watch.connection = 0
        now = self._clock.monotonic()
        if now - self._renewed >= self._timing.renew:
            self._renewed = now
            await self._socket.reconnect()
