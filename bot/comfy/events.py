"""What ComfyUI's websocket says, as a closed union of typed events in the server's own words.

Plain values: `bot.comfy.frames` reads them from the wire, `bot.comfy.channel` turns them into the bot's run events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Status:
    """The queue's length changed; broadcast to everybody. `sid` is set on the first frame of a connection only."""

    queue_remaining: int
    sid: str = ""


@dataclass(frozen=True, slots=True)
class FeatureFlags:
    """The server's answer to our flags."""

    flags: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExecutionStart:
    """The worker took the prompt."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class ExecutionCached:
    """These nodes need not run."""

    prompt_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Executing:
    """A node began; with `node` None, the prompt is over and `/history` holds it.

    The replay after a reconnect names no prompt: `prompt_id` is then empty.
    """

    prompt_id: str
    node: str | None
    display_node: str


@dataclass(frozen=True, slots=True)
class NodeProgress:
    """A node counted one step on."""

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
    """All nodes touched so far; comes with every step, so its traffic grows with the graph."""

    prompt_id: str
    nodes: tuple[NodeState, ...]


@dataclass(frozen=True, slots=True)
class Executed:
    """A node with UI output is done. A hint only, never the source of results: it is incomplete for cached nodes."""

    prompt_id: str
    node: str
    output: Mapping[str, Any]
    """As the server wrote it."""


@dataclass(frozen=True, slots=True)
class ExecutionSuccess:
    """No node failed. History may not hold the prompt yet."""

    prompt_id: str


@dataclass(frozen=True, slots=True)
class ExecutionError:
    """A node raised. `exception_type` "ExecutionBlocked" is followed by `ExecutionSuccess`."""

    prompt_id: str
    node: str
    class_type: str
    exception_type: str
    message: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExecutionInterrupted:
    """Somebody stopped the prompt."""

    prompt_id: str
    node: str


@dataclass(frozen=True, slots=True)
class PreviewImage:
    """Binary event 1: names no prompt, so it may be anybody's."""

    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NodeText:
    """Binary event 3: a node's progress text; names no prompt."""

    node: str
    text: str


@dataclass(frozen=True, slots=True)
class PreviewWithMetadata:
    """Binary event 4: a preview that names its prompt."""

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
