"""Subscriptions to prompts: pass the server's events on to the subscriber of each prompt.

The WebSocket reader calls `PromptSubscriptions.dispatch` for every frame of a prompt; nothing here waits or sends
requests. Events of other clients' prompts are dropped.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Self

from cachetools import LRUCache

from bot.clock import Clock
from bot.comfy.frames import Blocked, DisplayNodes, EndAnnounced, PromptFrame
from bot.workflow.manifest.manifest import IDLE_LIMIT
from bot.workflow.run.events import (
    NodeStarted,
    Preview,
    Progress,
    PromptLocation,
    RunEnded,
    RunEvent,
    RunFailure,
    RunLost,
    RunStarted,
)

MAX_UNREAD = 1024
"""Unread events kept; beyond it the oldest are dropped. Graphs have a few hundred nodes at most."""
MAX_EXPANDED = 1024
"""Maximum nodes made while running whose display node is remembered, per prompt; loops make any number of them."""
MAX_BLOCKED = 256
"""Maximum ExecutionBlocked errors kept until their results are read."""
CHECK_NOW = float("-inf")
"""As the time of the last check: the next one is due now."""
NOT_CONFIRMED = float("inf")


class EventChannel(AsyncIterator[RunEvent]):
    """An async iterator over the events of one prompt. It ends after `RunEnded` or `RunLost`."""

    def __init__(self) -> None:
        self._unread: deque[RunEvent] = deque(maxlen=MAX_UNREAD)
        self._added = asyncio.Event()
        self.closed = False
        """Whether the last event was added; later ones are dropped."""

    def put(self, event: RunEvent) -> None:
        """Add an event without waiting; an older unread preview or progress is replaced."""
        if self.closed:
            return
        if isinstance(event, Progress | Preview):
            self._drop(type(event))
        self._unread.append(event)
        self.closed = isinstance(event, RunEnded | RunLost)
        self._added.set()

    def _drop(self, kind: type[RunEvent]) -> None:
        for event in self._unread:
            if isinstance(event, kind):
                self._unread.remove(event)
                return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        while not self._unread:
            if self.closed:
                raise StopAsyncIteration
            self._added.clear()
            await self._added.wait()
        return self._unread.popleft()


class PromptSubscription:
    """A subscription to one prompt."""

    def __init__(self, prompt_id: str, *, idle_limit: float) -> None:
        self.prompt_id = prompt_id
        self.channel = EventChannel()
        self.idle_limit = idle_limit
        """Seconds of silence after which the subscriber stops the run."""
        self.posted = False
        """Whether it was submitted, so that the server may have it."""
        self.known = False
        """Whether the server has or had the prompt: only then can it be lost."""
        self.connection = 0
        """The connection on which its events arrive; 0 when unknown."""
        self.last_check = CHECK_NOW
        """Monotonic time of its last event or lookup."""
        self.last_event = CHECK_NOW
        """Monotonic time of its last event, or when it was first found running."""
        self.confirmed = NOT_CONFIRMED
        """When the server confirmed, during the current silence, that it is running."""
        self.reconnected = False
        """Whether the socket was reopened because of the current silence."""
        self.end_announced = False
        """Whether only the final event is missing."""
        self.blocked: RunFailure | None = None
        self.started = False
        """Whether the subscriber was notified that the run has started."""
        self._display_nodes: LRUCache[str, str] = LRUCache(MAX_EXPANDED)

    @property
    def over(self) -> bool:
        """Whether the subscriber was notified of the end."""
        return self.channel.closed

    @property
    def in_queue(self) -> bool:
        """Whether the server's queue may contain it."""
        return (self.posted or self.known) and not self.over

    def confirm(self, connection: int, now: float) -> None:
        """Record an event or acceptance on this connection."""
        self.known = True
        self.connection = connection
        self.last_check = self.last_event = now
        self.confirmed = NOT_CONFIRMED
        self.reconnected = False

    def start(self) -> None:
        """Notify the subscriber, once, that the run has started."""
        if not self.started:
            self.started = True
            self.channel.put(RunStarted())

    def on_location(self, location: PromptLocation, now: float) -> None:
        """Process the result of a lookup."""
        self.last_check = now
        match location:
            case PromptLocation.RUNNING:
                self.known = True
                if not self.started:
                    self.last_event = now
                self.start()
            case PromptLocation.PENDING:
                self.known = True
            case PromptLocation.FINISHED:
                self.channel.put(RunEnded())
            case PromptLocation.UNKNOWN:
                self.channel.put(RunLost())

    def on_event(self, event: RunEvent | DisplayNodes | Blocked | EndAnnounced) -> None:
        """Pass an event on, under the ids of the submitted graph."""
        match event:
            case DisplayNodes(by_node):
                self._display_nodes.update(by_node)
            case Blocked(failure):
                self.blocked = failure
            case EndAnnounced():
                self.end_announced = True
            case RunStarted():
                self.start()
            case NodeStarted():
                self.start()
                self.channel.put(event)
            case Progress(node_id):
                self.channel.put(replace(event, node_id=self._display_nodes.get(node_id, node_id)))
            case _:
                self.channel.put(event)


class PromptSubscriptions:
    """The subscriptions on one server, by prompt id."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._by_id: dict[str, PromptSubscription] = {}
        self._blocked: LRUCache[str, RunFailure] = LRUCache(MAX_BLOCKED)
        self.foreign = 0
        """Number of frames about other clients' prompts."""

    def __iter__(self) -> Iterator[PromptSubscription]:
        return iter(tuple(self._by_id.values()))

    def get(self, prompt_id: str) -> PromptSubscription | None:
        return self._by_id.get(prompt_id)

    def blocked(self, prompt_id: str) -> RunFailure | None:
        """Return the ExecutionBlocked error of a subscribed prompt, if there was one."""
        return self._blocked.get(prompt_id)

    @contextmanager
    def open(self, prompt_id: str, *, idle_limit: float = IDLE_LIMIT) -> Generator[PromptSubscription, None, None]:
        """Subscribe to a prompt while the context lasts. Raises `ValueError` if it already has a subscriber."""
        if prompt_id in self._by_id:
            raise ValueError(f"prompt {prompt_id} already has a subscriber")
        subscription = self._by_id[prompt_id] = PromptSubscription(prompt_id, idle_limit=idle_limit)
        try:
            yield subscription
        finally:
            del self._by_id[prompt_id]

    def dispatch(self, frame: PromptFrame, connection: int) -> None:
        """Pass a frame to the subscription of its prompt; returns at once."""
        subscription = self._by_id.get(frame.prompt_id)
        if subscription is None:
            self.foreign += 1
            return
        subscription.confirm(connection, self._clock.monotonic())
        for event in frame.events:
            subscription.on_event(event)
        if subscription.blocked:
            self._blocked[frame.prompt_id] = subscription.blocked
