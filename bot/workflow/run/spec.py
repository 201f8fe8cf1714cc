"""The specification of a run: a graph with all values set, ready for any server that can run it.

Plain data that can be stored, because a job outlives the process that accepted it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.workflow.graph.graph import JsonGraph, Target
from bot.workflow.manifest.manifest import IDLE_LIMIT
from bot.workflow.manifest.values import Scalar
from bot.workflow.run.events import InputFile
from bot.workflow.run.needs import Needs


@dataclass(frozen=True, slots=True)
class Upload:
    """An input file, and the inputs that receive the name which the server gives it."""

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
    """Options whose values are passed on."""
    values: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Values for other options of that workflow."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A complete run: later edits of the workflow's files do not affect accepted jobs."""

    workflow: str
    title: str
    graph: JsonGraph = field(repr=False)
    uploads: tuple[Upload, ...] = ()
    outputs: tuple[str, ...] = ()
    """Ids of the nodes whose files are shown; empty: all output nodes."""
    values: Mapping[str, object] = field(default_factory=dict[str, object])
    """Option name → value as used, including the drawn seed, in the order of the manifest."""
    options: Mapping[str, tuple[Target, ...]] = field(default_factory=dict[str, tuple[Target, ...]])
    """Option name → the inputs it fills, to name the option when a server reports an input."""
    left_open: Mapping[str, str] = field(default_factory=dict[str, str])
    """Option name → "Class.input", for models and choices that the member left open (see `prepare.settle`)."""
    matches: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """Option name → patterns that a model must match."""
    output_kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Node id → the `OutputKind` of its results that is shown."""
    version: str = ""
    """The `Workflow.version` that it was made from."""
    seconds: float = 0.0
    """GPU seconds that its author expects; 0 if unknown."""
    idle_limit: float = IDLE_LIMIT
    """Seconds without progress after which a run is stopped."""
    needs: Needs = field(default_factory=Needs)
    steps: tuple[NextStep, ...] = ()
