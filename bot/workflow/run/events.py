"""The data types shared by `bot.comfy` and `bot.jobs`: files, events and results of running a graph.

`bot.comfy` creates them from the server's frames and responses, `bot.jobs` acts on them; neither imports the other.
Messages for people are made from them in `bot.workflow.run.explain`.
"""

from dataclasses import dataclass, field
from enum import StrEnum, auto

from bot.errors import FailedError, OfflineError
from bot.i18n import _

# ------------------------------------------------------------------ files


@dataclass(frozen=True, slots=True)
class InputFile:
    """A checked image to upload. `name` is generated ASCII, never a member's text."""

    name: str
    data: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class OutputRef:
    """Where a server keeps one output: the arguments of `/view`, and the node that wrote it."""

    node_id: str
    filename: str
    subfolder: str
    folder: str
    """ComfyUI's `type`: "output" or "temp"."""


TEXT = "text"
"""As the folder of an output: a text in the server's history instead of a file."""


@dataclass(frozen=True, slots=True)
class OutputText:
    """A text that a node returned instead of a file."""

    node_id: str
    text: str


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One fetched output, in the server's encoding."""

    ref: OutputRef
    data: bytes = field(repr=False)


# ------------------------------------------------------------------ while it runs


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The server took the prompt from its queue."""


@dataclass(frozen=True, slots=True)
class NodeStarted:
    """A node began; `node_id` is a node of the posted graph, never one made while running."""

    node_id: str


@dataclass(frozen=True, slots=True)
class NodesCached:
    """These nodes are cached and do not run again."""

    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """A node's own count: `value` of `maximum` steps."""

    node_id: str
    value: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Preview:
    """An unfinished image, JPEG or PNG, scaled by the server."""

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class OutputsWritten:
    """A node wrote files. Allows early fetching; only `RunResult` is authoritative."""

    refs: tuple[OutputRef, ...]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The prompt finished or failed; `/history` says which. The last event of a run."""


@dataclass(frozen=True, slots=True)
class RunLost:
    """The server no longer knows the prompt (it restarted, or its queue was cleared). The last event of a run."""


RunEvent = RunStarted | NodeStarted | NodesCached | Progress | Preview | OutputsWritten | RunEnded | RunLost


# ------------------------------------------------------------------ how it ended


class PromptLocation(StrEnum):
    """Where a prompt is on a server; UNKNOWN unless the server reports it."""

    PENDING = auto()
    RUNNING = auto()
    FINISHED = auto()
    UNKNOWN = auto()


class FailureKind(StrEnum):
    """Why a run produced nothing."""

    NODE_ERROR = auto()
    OUT_OF_MEMORY = auto()
    BLOCKED = auto()
    INTERRUPTED = auto()
    NO_OUTPUTS = auto()


@dataclass(frozen=True, slots=True)
class RunFailure:
    """Why a run failed. `detail` is the server's text, shortened and without paths; it can be empty."""

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
    """Set when the run failed; `outputs` can still contain what finished before."""
    cached: frozenset[str] = frozenset()
    """Ids of nodes that did not run because the server had their results from an earlier prompt."""


# ------------------------------------------------------------------ refused before it ran


class FaultKind(StrEnum):
    """What the server's validation found wrong with one input, reduced to cases that members can act on."""

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
    """One error that a server found in a graph. Texts are the server's, shortened and without paths."""

    kind: FaultKind
    node_id: str = ""
    class_type: str = ""
    input_name: str = ""
    received: str = ""
    limit: str = ""
    """The limit, for TOO_SMALL and TOO_BIG."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server queued the prompt; `faults` are the outputs that it dropped (a 200 with node_errors)."""

    faults: tuple[GraphFault, ...] = ()


class GraphRejectedError(FailedError):
    """The server refused the graph."""

    def __init__(self, faults: tuple[GraphFault, ...]) -> None:
        super().__init__(_("ComfyUI refused this workflow."))
        self.faults = faults


class ServerOfflineError(OfflineError):
    """The server did not respond. A request that changes something may or may not have been carried out."""

    def __init__(self, server: str) -> None:
        super().__init__(_("The GPU server can't be reached right now."))
        self.server = server


class ServerFaultError(FailedError):
    """The server's response cannot be used (a 500, a missing file)."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(_("ComfyUI returned an error ({status}). Please try again later.", status=status))
        self.status = status
        self.detail = detail


def is_server_error(error: Exception) -> bool:
    """Whether a server answered that the fault is its own: a repeated request may succeed."""
    return isinstance(error, ServerFaultError) and error.status >= 500
