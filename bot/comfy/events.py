"""ComfyUI's WebSocket messages as a closed union of typed events, in the server's own terms.

Plain values: `bot.comfy.frames` parses them, `bot.comfy.subscriptions` turns them into the bot's run events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Status:
    """The queue length changed; broadcast to all clients. `sid` is only set on the first frame of a connection."""

    queue_remaining: int
    sid: str = ""


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """The server's answer to our feature flags."""

    flags: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """The server started the prompt."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class ExecutionCached:
    """These nodes are taken from the cache."""

    prompt_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """A node started; with `node` None, the prompt has ended and is in `/history`.

    `prompt_id` is empty when the event is replayed after a reconnect.
    """

    prompt_id: str
    node: str | None
    display_node: str


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """A node finished a step."""

    prompt_id: str
    node: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node in a `ProgressState`. `display_node` is the visible node that an expanded one belongs to."""

    node: str
    display_node: str
    state: str


@dataclass(frozen=True, slots=True)
class ProgressState:
    """All nodes started so far; sent with every step, so its traffic grows with the graph."""

    prompt_id: str
    nodes: tuple[NodeState, ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """A node with UI output finished. Only a hint: it is incomplete for cached nodes, so results come from history."""

    prompt_id: str
    node: str
    output: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionSuccess:
    """No node failed. History may not have the prompt yet."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """A node raised. An `exception_type` of "ExecutionBlocked" is followed by `ExecutionSuccess`."""

    prompt_id: str
    node: str
    class_type: str
    exception_type: str
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExecutionInterrupted:
    """The prompt was interrupted."""

    prompt_id: str
    node: str


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """Binary event 1: a preview without a prompt id, possibly of another client's prompt."""

    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeText:
    """Binary event 3: a node's progress text, without a prompt id."""

    node: str
    text: str


@dataclass(frozen=True, slots=True)
class PreviewWithMetadata:
    """Binary event 4: a preview with its prompt id."""

    prompt_id: str
    node: str
    content_type: str
    data: bytes = field(repr=False)


PromptEvent = (
    ExecutionStart
    | ExecutionCached
    | Executing
    | NodeProgress
    | ProgressState
    | Executed
    | ExecutionSuccess
    | ExecutionError
    | ExecutionInterrupted
    | PreviewWithMetadata
)
"""Events that belong to one prompt."""

Event = PromptEvent | Status | FeatureFlags | PreviewImage | NodeText
