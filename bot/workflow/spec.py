"""What one request has become: a graph with its values in place, ready to be handed to any server that can run it.

Plain data that can be written down and read back, because a request outlives the process that accepted it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.workflow.execution import InputFile, JsonGraph
from bot.workflow.needs import Needs
from bot.workflow.values import Scalar

IDLE_LIMIT = 600.0
"""Seconds; loading a large model from a slow disk takes minutes, and says nothing meanwhile."""


@dataclass(frozen=True, slots=True)
class Target:
    """One input of one node of the graph."""

    node_id: str
    input_name: str


@dataclass(frozen=True, slots=True)
class Upload:
    """An input picture and the inputs that take its name once a server has returned one."""

    file: InputFile
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class NextStep:
    """A button under the result: another workflow, with a file of this result as its input."""

    label: str
    workflow: str
    input: str
    """The option of that workflow that takes the file."""
    kind: str
    """The kind of that option: "image", "video", "audio"."""
    keep: tuple[str, ...] = ()
    """Options whose values are handed on."""
    values: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Values of further options of that workflow."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What to run, complete: later edits of the workflow's files do not reach jobs already accepted."""

    workflow: str
    title: str
    graph: JsonGraph = field(repr=False)
    uploads: tuple[Upload, ...] = ()
    outputs: tuple[str, ...] = ()
    """Ids of the nodes whose files are shown; empty: of all output nodes."""
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    """Option name → value as used, the drawn seed included, in the order of the manifest."""
    options: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, tuple[Target, ...]])
    """Option name → the inputs it fills, to name options when a server names inputs."""
    left_open: Mapping[str, str] = field(default_factory=dict[str, str])
    """Option name → "Class.input", for models and choices that the member left to the server (see `settle`)."""
    matches: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Option name → patterns that a model must fit."""
    output_kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Id of a node → the kind of its results that is shown; see `bot.workflow.extras.OutputKind`."""
    version: str = ""
    """Which graph and manifest it was made with; see `Workflow.version`."""
    seconds: float = 0.0
    """GPU-seconds that its author expects; 0 for nothing said."""
    idle_limit: float = IDLE_LIMIT
    """Seconds without a word about the run, while a server works on it, after which it is stopped."""
    needs: Needs = field(default_factory=Needs)
    """What a server must have for this run."""
    steps: tuple[NextStep, ...] = ()
    """What is offered to do with the result."""
