"""Subscriptions to prompts: turn the server's events into run events for the subscriber.

The WebSocket reader calls `PromptSubscriptions.dispatch` for every event; nothing here waits or sends requests. Events
of other clients' prompts, and events without a prompt id, are dropped.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import contextmanager
from typing import Self

from bot.clock import Clock
from bot.comfy.events import (
    Event,
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    NodeProgress,
    NodeText,
    PreviewImage,
    PreviewWithMetadata,
    ProgressState,
    PromptEvent,
    Status,
)
from bot.comfy.history import BLOCKED_TYPE, error_failure, output_refs
from bot.comfy.idle_hook import IdleHook
from bot.workflow.manifest.manifest import IDLE_LIMIT
from bot.workflow.run.events import (
    NodesCached,
    NodeStarted,
    OutputsWritten,
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


class EventChannel(AsyncIterator[RunEvent]):
    """An async iterator over the events of one prompt. It ends after `RunEnded` or `RunLost`."""

    def __init__(self, *, park: IdleHook) -> None:
        self._park = park
        self._unread: deque[RunEvent] = deque(maxlen=MAX_UNREAD)
        self._something = asyncio.Event()
        self.closed = False
        """Whether the last event was added; later ones are dropped."""

    def put(self, event: RunEvent) -> None:
        """Add an event without waiting."""
        if self.closed:
            return
        if isinstance(event, Progress | Preview):
            self._forget(type(event))
        self._unread.append(event)
        self.closed = isinstance(event, RunEnded | RunLost)
        self._something.set()

    def _forget(self, kind: type[RunEvent]) -> None:
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
            self._something.clear()
            await self._park(self._something.wait())
        return self._unread.popleft()


CHECK_NOW = float("-inf")
"""As the time of the last check: the next one is due now."""
NOT_ASKED = float("inf")
MAX_EXPANDED = 1024
"""Maximum expanded nodes per prompt whose visible node is remembered; loops create any number of them."""
MAX_BLOCKED = 256
"""Maximum ExecutionBlocked errors kept until their results are read."""


class PromptSubscription:
    """A subscription to one prompt."""

    def __init__(self, prompt_id: str, *, channel: EventChannel, idle_limit: float) -> None:
        self.prompt_id = prompt_id
        self.channel = channel
        self.idle_limit = idle_limit
        """Seconds of silence after which the subscriber stops the run."""
        self.posted = False
        """Whether it was submitted, so that the server may have it."""
        self.known = False
        """Whether the server has or had the prompt: only then can it be lost."""
        self.connection = 0
        """The connection on which its events arrive; 0 when unknown."""
        self.checked = CHECK_NOW
        """Monotonic time of its last event or lookup."""
        self.spoke = CHECK_NOW
        """Monotonic time of its last event, or when it was first found running."""
        self.asked = NOT_ASKED
        """When the server confirmed, during the current silence, that it is running."""
        self.reconnected = False
        """Whether the socket was reopened because of the current silence."""
        self.settling = False
        """Whether its end was announced and only the final event is missing."""
        self.blocked: RunFailure | None = None
        self.started = False
        """Whether the subscriber was notified that the run has started."""
        self._visible: dict[str, str] = {}

    @property
    def over(self) -> bool:
        """Whether the subscriber was notified of the end."""
        return self.channel.closed

    @property
    def in_queue(self) -> bool:
        """Whether the server's queue may contain it."""
        return (self.posted or self.known) and not self.over

    def heard(self, connection: int, now: float) -> None:
        """Record an event or acceptance on this connection."""
        self.known = True
        self.connection = connection
        self.checked = self.spoke = now
        self.asked = NOT_ASKED
        self.reconnected = False

    def start(self) -> None:
        """Notify the subscriber, once, that the run has started."""
        if not self.started:
            self.started = True
            self.channel.put(RunStarted())

    def found(self, place: PromptLocation, now: float) -> None:
        """Process the result of a lookup."""
        self.checked = now
        match place:
            case PromptLocation.RUNNING:
                self.known = True
                if not self.started:
                    self.spoke = now
                self.start()
            case PromptLocation.PENDING:
                self.known = True
            case PromptLocation.FINISHED:
                self.channel.put(RunEnded())
            case PromptLocation.UNKNOWN:
                self.channel.put(RunLost())

    def on_event(self, event: PromptEvent) -> None:
        """Pass an event on as a run event."""
        match event:
            case ExecutionStart():
                self.start()
            case Executing(node=None):
                self.channel.put(RunEnded())
            case ExecutionSuccess() | ExecutionInterrupted():
                self.settling = True
            case ExecutionError():
                self._fail(event)
            case PreviewWithMetadata(content_type=content_type, data=data):
                self.channel.put(Preview(data, content_type))
            case _:
                self._on_node(event)

    def _on_node(self, event: PromptEvent) -> None:
        match event:
            case ExecutionCached(nodes=nodes) if nodes:
                self.channel.put(NodesCached(nodes))
            case Executed(node=node, output=output):
                if refs := tuple(output_refs(node, output)):
                    self.channel.put(OutputsWritten(refs))
            case Executing(node=str(node), display_node=display_node):
                self.start()
                self._map(node, display_node)
                self.channel.put(NodeStarted(display_node))
            case NodeProgress(node=node, value=value, maximum=maximum):
                self.channel.put(Progress(self._visible.get(node, node), value, maximum))
            case ProgressState(nodes=nodes):
                for state in nodes:
                    self._map(state.node, state.display_node)
            case _:
                pass

    def _fail(self, error: ExecutionError) -> None:
        if error.exception_type == BLOCKED_TYPE:  # followed by ExecutionSuccess
            self.blocked = error_failure(error.exception_type, error.message, error.node, error.class_type)
        else:
            self.settling = True

    def _map(self, node: str, display_node: str) -> None:
        if node != display_node and len(self._visible) < MAX_EXPANDED:
            self._visible[node] = display_node


class PromptSubscriptions:
    """The subscriptions on one server, by prompt id."""

    def __init__(self, *, clock: Clock, park: IdleHook) -> None:
        self._clock = clock
        self._park = park
        self._by_id: dict[str, PromptSubscription] = {}
        self._blocked: OrderedDict[str, RunFailure] = OrderedDict()
        self.foreign = 0
        """Number of events of other clients' prompts."""

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
        watch = self._by_id[prompt_id] = PromptSubscription(
            prompt_id, channel=EventChannel(park=self._park), idle_limit=idle_limit
        )
        try:
            yield watch
        finally:
            del self._by_id[prompt_id]

    def dispatch(self, event: Event, connection: int) -> None:
        """Pass an event to the subscription of its prompt; returns at once."""
        if isinstance(event, Status | FeatureFlags | PreviewImage | NodeText):
            return
        watch = self._by_id.get(event.prompt_id)
        if watch is None:
            self.foreign += 1
            return
        watch.heard(connection, self._clock.monotonic())
        watch.on_event(event)
        if watch.blocked:
            self._remember(watch.prompt_id, watch.blocked)

    def _remember(self, prompt_id: str, blocked: RunFailure) -> None:
        self._blocked[prompt_id] = blocked
        while len(self._blocked) > MAX_BLOCKED:
            self._blocked.popitem(last=False)
