"""Loads the workflows of a folder: pairs of <name>.toml (manifest) and <name>.json (graph).

A pair with errors becomes a `Problem` and never affects the others. Blocking: call it off the event loop.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from bot.i18n import Message, _
from bot.workflow.errors import RefusedValueError, WorkflowError
from bot.workflow.graph import graph as graphs
from bot.workflow.graph.graph import Graph
from bot.workflow.graph.validation import idle_inputs, idle_outputs
from bot.workflow.graph.version import version
from bot.workflow.importer.add import KnownNodes
from bot.workflow.importer.auto_manifest import auto_workflow
from bot.workflow.library.next_steps import broken_action
from bot.workflow.manifest.manifest import Manifest, require_command_name
from bot.workflow.text_format import shown
from bot.workflow.workflow import Workflow

__all__ = ["Catalog", "Problem", "Workflow"]

MAX_FILES = 1000
"""Discord allows 100 commands, `/run` covers the rest; a folder with more files is probably the wrong one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a file. `file` is its bare name, which the message does not repeat."""

    file: str
    message: Message

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


@dataclass(frozen=True, slots=True)
class Catalog:
    """A snapshot of a folder: the usable workflows by name, sorted, and the problems of the others."""

    workflows: Mapping[str, Workflow]
    problems: tuple[Problem, ...] = ()
    files: frozenset[str] = frozenset()
    """Bare names of all workflow files."""
    lonely: frozenset[str] = frozenset()
    """Those of them that are graphs without a manifest; `load` can guess their options."""

    @classmethod
    def load(cls, folder: Path, known: KnownNodes | None = None, but: Collection[str] = ()) -> Self:
        """Read every pair. Never raises: any error in a file or the folder becomes a problem.

        With `known` definitions, graphs without a manifest become workflows too, except those named in `but`.
        """
        try:
            files = {path.name: path for path in sorted(folder.iterdir()) if is_workflow_file(path)}
        except OSError as err:
            return cls({}, (Problem(folder.name, _("cannot be read: {reason}.", reason=_reason(err))),))
        if len(files) > MAX_FILES:
            return cls(
                {},
                (
                    Problem(
                        folder.name, _("contains more than {limit} files. Is this the right folder?", limit=MAX_FILES)
                    ),
                ),
            )
        return cls._from_files(files, known, but)

    @classmethod
    def _from_files(cls, files: Mapping[str, Path], known: KnownNodes | None, but: Collection[str]) -> Self:
        workflows: dict[str, Workflow] = {}
        problems: list[Problem] = []
        used: set[str] = set()
        for path in files.values():
            if path.suffix.lower() != ".toml":
                continue
            used.add(f"{path.stem}.json")
            try:
                workflow = _load(path, files, used)
                _require_free(workflow, path.name, workflows)
            except WorkflowError as error:
                problems.extend(Problem(error.source, reason) for reason in error.reasons)
            else:
                workflows[workflow.name] = workflow
        lonely = [path for name, path in files.items() if path.suffix.lower() == ".json" and name not in used]
        for path in lonely:
            problems.extend(_guess(path, None if path.name in but else known, workflows))
        problems.extend(_loose_actions(workflows))
        problems.extend(_idle(workflows))
        return cls(
            MappingProxyType(dict(sorted(workflows.items()))),
            tuple(problems),
            frozenset(files),
            frozenset(path.name for path in lonely),
        )


def is_workflow_file(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in (".toml", ".json") and path.is_file()


def _load(path: Path, files: Mapping[str, Path], used: set[str]) -> Workflow:
    text = _read(path)
    manifest = Manifest.parse(text, path.name)
    try:
        name = manifest.command or require_command_name(path.stem)
    except RefusedValueError as refusal:
        raise WorkflowError(path.name, refusal.reason) from refusal
    graph_name = manifest.graph or f"{path.stem}.json"
    used.add(graph_name)
    graph_path = files.get(graph_name)
    if graph_path is None:
        raise WorkflowError(path.name, _missing_graph(graph_name))
    graph = Graph.parse(_read(graph_path), graph_name)
    return Workflow.build(name, manifest, graph, path.name, version(graph, text))


def _require_free(workflow: Workflow, file: str, others: Mapping[str, Workflow]) -> None:
    other = others.get(workflow.name)
    if other is not None:
        raise WorkflowError(
            file,
            _(
                '“{name}” is already the command of {other}. Give this one another name: command = "…".',
                name=workflow.name,
                other=other.source,
            ),
        )


def _idle(workflows: Mapping[str, Workflow]) -> Iterator[Problem]:
    """Yield outputs and options without effect: surely mistakes, but the workflow still works."""
    for workflow in workflows.values():
        for reason in idle_outputs(workflow.graph, workflow.outputs):
            yield Problem(workflow.source, reason)
        for name, targets in workflow.bindings.items():
            for reason in idle_inputs(workflow.graph, workflow.outputs, targets):
                yield Problem(
                    workflow.source, Message("[options.{name}] bind: {reason}", {"name": name, "reason": reason})
                )


def _loose_actions(workflows: Mapping[str, Workflow]) -> Iterator[Problem]:
    """Yield broken next steps; the workflow itself still works."""
    for workflow in workflows.values():
        for name, action in workflow.manifest.actions.items():
            if reason := broken_action(action, workflows):
                yield Problem(
                    workflow.source, Message("[actions.{name}] {reason}", {"name": shown(name), "reason": reason})
                )


def _missing_graph(graph_name: str) -> Message:
    return _(
        "its graph “{graph}” is missing. Export it in ComfyUI with Workflow → Export (API),"
        " and save it in the same folder.",
        graph=graph_name,
    )


def _guess(path: Path, known: KnownNodes | None, workflows: dict[str, Workflow]) -> Iterator[Problem]:
    """Add the workflow of a graph without a manifest, and report that its options are guesses."""
    manifest = f"{path.stem}.toml"
    if known is None:
        yield Problem(path.name, _("has no manifest. Write “{manifest}” to make it a command.", manifest=manifest))
        return
    try:
        workflow = auto_workflow(_read(path), path.name, known)
        _require_free(workflow, path.name, workflows)
    except WorkflowError as error:
        yield from (Problem(error.source, reason) for reason in error.reasons)
        return
    workflows[workflow.name] = workflow
    yield Problem(
        path.name,
        _(
            "has no manifest, so the options of /{name} are guessed. To choose them yourself, write “{manifest}”:"
            " `python -m bot import` drafts one.",
            name=workflow.name,
            manifest=manifest,
        ),
    )


def _read(path: Path) -> bytes:
    """Read at most one byte more than any parser here accepts."""
    try:
        with path.open("rb") as file:
            return file.read(graphs.MAX_BYTES + 1)
    except OSError as err:
        raise WorkflowError(path.name, _("cannot be read: {reason}.", reason=_reason(err))) from err


def _reason(error: OSError) -> str:
    """Return the system's message without the path."""
    return error.strerror or type(error).__name__
