"""The words in which a ComfyUI server and the rest of the bot speak about running a graph.

`bot.comfy` turns the server's frames and answers into these values; `bot.jobs` acts on them; neither knows the other.
Facts only: sentences for people are made from them in `bot.workflow.explain`.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Any

from bot.errors import FailedError, OfflineError
from bot.i18n import _

JsonGraph = dict[str, dict[str, Any]]
"""A graph as it is posted: node id → {"class_type", "inputs", "_meta"?}."""


# ------------------------------------------------------------------ files


@dataclass(frozen=True, slots=True)
class InputFile:
    """A checked picture on its way to a server. `name` is generated ASCII, never a member's text."""

    name: str
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class OutputRef:
    """Where a server keeps one output: the arguments of its `/view`, and the node that wrote it."""

    node_id: str
    filename: str
    subfolder: str
    folder: str
    """ComfyUI's `type`: "output" or "temp"."""


TEXT = "text"
"""As the folder of an output: it is no file on the server, but a text in its history."""


@dataclass(frozen=True, slots=True)
class OutputText:
    """What a node has told instead of writing a file."""

    node_id: str
    text: str


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One fetched output, as the server encoded it."""

    ref: OutputRef
    data: bytes = field(repr=False)


# ------------------------------------------------------------------ while it runs


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The server took the prompt from its queue."""


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node began; `node_id` is the visible node of our graph."""

    node_id: str


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes need not run again."""

    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A node's own count: `value` of `maximum` steps."""

    node_id: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Preview:
    """A half-finished picture, JPEG or PNG, as the server scaled it."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class OutputsWritten:
    """A node wrote files. A hint, so that they can be fetched before the run is over: `RunResult` has the truth."""

    refs: tuple[OutputRef, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The server is done with the prompt, well or badly: `/history` now says which. The last event of a run."""


@dataclass(frozen=True, slots=True)
class RunLost:
    """The server knows the prompt no more (it restarted, or somebody cleared its queue). The last event of a run."""


RunEvent = RunStarted | NodeStarted | NodesCached | Progress | Preview | OutputsWritten | RunEnded | RunLost


# ------------------------------------------------------------------ how it ended


class Whereabouts(StrEnum):
    """Where a server has a prompt, by positive evidence."""

    PENDING = auto()
    RUNNING = auto()
    FINISHED = auto()
    UNKNOWN = auto()


class FailureKind(StrEnum):
    """Why a run gave no pictures."""

    NODE_ERROR = auto()
    OUT_OF_MEMORY = auto()
    BLOCKED = auto()
    INTERRUPTED = auto()
    NO_OUTPUTS = auto()


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run failed. `detail` is the server's text, cut short and freed of paths; it may be empty."""

    kind: FailureKind
    node_id: str = ""
    class_type: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What `/history` says about a finished prompt."""

    outputs: tuple[OutputRef, ...] = ()
    texts: tuple[OutputText, ...] = ()
    failure: RunFailure | None = None
    """Set when the run ended badly; `outputs` may still hold what was finished before."""
    cached: frozenset[str] = frozenset()
    """Ids of nodes that did not run, because the server still had what they made for an earlier prompt."""


# ------------------------------------------------------------------ refused before it ran


class FaultKind(StrEnum):
    """What validation found wrong with one input, reduced to what a member can act on."""

    MISSING_NODE = auto()
    MISSING_INPUT = auto()
    TOO_SMALL = auto()
    TOO_BIG = auto()
    NOT_IN_LIST = auto()
    WRONG_TYPE = auto()
    BAD_FILE = auto()
    NO_OUTPUTS = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class GraphFault:
    """One thing that a server found wrong with a graph. Texts are the server's, cut short and freed of paths."""

    kind: FaultKind
    node_id: str = ""
    class_type: str = ""
    input_name: str = ""
    received: str = ""
    limit: str = ""
    """The smallest or largest value allowed, for TOO_SMALL and TOO_BIG."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server queued the prompt; `faults` name outputs that it dropped all the same (a 200 with node_errors)."""

    faults: tuple[GraphFault, ...] = ()


class GraphRejectedError(FailedError):
    """The server refused the graph; `faults` say what to change."""

    def __init__(self, faults: tuple[GraphFault, ...]) -> None:
        super().__init__(_("ComfyUI refused this workflow."))
        self.faults = faults


class ServerOfflineError(OfflineError):
    """The server did not answer. A request that changes something may or may not have been carried out."""

    def __init__(self, server: str) -> None:
        super().__init__(_("ComfyUI cannot be reached at the moment."))
        self.server = server


class ServerFaultError(FailedError):
    """The server answered, but not in a way that can be used (a 500, a file that is gone)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(_("ComfyUI answered with an error ({status}). Please try again in a while.", status=status))
        self.status = status
        self.detail = detail
