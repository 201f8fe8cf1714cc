"""Validates a graph before it is queued, with ComfyUI's error messages.

A graph is queued if at least one of its outputs is valid; the others are dropped, with their errors in `node_errors`.
Values are converted in place, so queue and history show the converted graph.
"""

from dataclasses import dataclass, field
from typing import Any, cast

from bot.sandbox.comfyui.definitions import Json, NodeCatalog
from bot.sandbox.comfyui.files import Folders, OutsideError
from bot.sandbox.comfyui.nodes.call import json_object
from bot.sandbox.comfyui.state import Generation
from bot.sandbox.comfyui.value_checks import check_value, fault

SERVER_FILE = "/opt/ComfyUI/execution.py"
"""Real tracebacks contain such paths; clients must not show them."""


@dataclass(slots=True)
class Verdict:
    """The result of validation: `error` is None if at least one output can run."""

    outputs: list[str] = field(default_factory=list[str])
    error: Json | None = None
    node_errors: dict[str, Json] = field(default_factory=dict[str, Json])


@dataclass(slots=True)
class _Checked:
    ok: bool
    errors: list[Json]


class GraphValidator:
    """Validates one graph; use a new instance for each."""

    def __init__(self, graph: Any, *, catalog: NodeCatalog, folders: Folders, generation: Generation) -> None:
        self._graph = graph
        self._catalog = catalog
        self._folders = folders
        self._is_new = generation is Generation.NEW
        self._checked: dict[str, _Checked] = {}
        self._path: list[str] = []

    def validate(self, targets: list[str] | None) -> Verdict:
        """Check the graph; `targets` are the output nodes to run, None means all of them.

        Raises `TypeError` and the like for a graph that is not an object of objects; the server answers 500 then.
        """
        outputs: list[str] = []
        # the old generation accepts an empty list as a graph; the new one raises
        nodes = self._graph.items() if self._is_new else [(node_id, self._graph[node_id]) for node_id in self._graph]
        for node_id, node in nodes:
            if "class_type" not in node or not self._catalog.has(node["class_type"]):
                return Verdict(error=self._missing_class(node_id, node))
            if self._catalog.is_output(node["class_type"]) and (targets is None or node_id in targets):
                outputs.append(node_id)
        if not outputs:
            return Verdict(error=_prompt_error("prompt_no_outputs", "Prompt has no outputs"))
        return self._check_outputs(outputs)

    def _missing_class(self, node_id: str, node: Any) -> Json:
        where = f"Node ID '#{node_id}'"
        name = node.get("class_type", None)
        if self._is_new:
            title = _title(node) or name
            what = (
                f"Node '{title}' has no class_type. The workflow may be corrupted or a custom node is missing."
                if name is None
                else f"Node '{title}' not found. The custom node may not be installed."
            )
            extra = {"node_id": node_id, "class_type": name, "node_title": title}
            return _prompt_error("missing_node_type", what, where, extra)
        if name is None:
            what = "Cannot execute because a node is missing the class_type property."
        else:
            what = f"Cannot execute because node {name} does not exist."
        return _prompt_error("invalid_prompt", what, where)

    # ------------------------------------------------------------ outputs

    def _check_outputs(self, outputs: list[str]) -> Verdict:
        verdict = Verdict()
        lines: list[str] = []
        for output in outputs:
            checked = self._check_output(output)
            if checked.ok:
                verdict.outputs.append(output)
                continue
            lines += [f"{error['message']}: {error['details']}" for error in checked.errors]
            self._collect(output, verdict.node_errors)
        if not verdict.outputs:
            message = "Prompt outputs failed validation"
            verdict.error = _prompt_error("prompt_outputs_failed_validation", message, "\n".join(lines))
        return verdict

    def _check_output(self, output: str) -> _Checked:
        try:
            return self._check(output)
        except Exception as error:
            self._path.clear()
            extra = {"exception_type": type(error).__name__, "traceback": _traceback("validate_prompt")}
            described = fault("exception_during_validation", "Exception when validating node", str(error), extra)
            self._checked[output] = _Checked(ok=False, errors=[described])
            return self._checked[output]

    def _collect(self, output: str, node_errors: dict[str, Json]) -> None:
        for node_id, checked in self._checked.items():
            if checked.ok or not checked.errors:
                continue
            if node_id not in node_errors:
                class_type = self._graph[node_id]["class_type"]
                node_errors[node_id] = {"errors": checked.errors, "dependent_outputs": [], "class_type": class_type}
            # all invalid nodes so far, whether this output depends on them or not
            node_errors[node_id]["dependent_outputs"].append(output)

    # ------------------------------------------------------------ nodes

    def _check(self, node_id: str) -> _Checked:
        if node_id in self._checked:
            return self._checked[node_id]
        if node_id in self._path:
            return self._cycle(node_id)
        self._path.append(node_id)
        inputs = cast("Json", self._graph[node_id]["inputs"])
        result = _Checked(ok=True, errors=[])
        for name, is_required, config in self._catalog.inputs(self._graph[node_id]["class_type"]):
            if name not in inputs:
                if is_required:
                    extra = {"input_name": name}
                    result.errors.append(fault("required_input_missing", "Required input is missing", name, extra))
            elif not self._check_input(node_id, name, config, result.errors):
                result.ok = False
        self._path.pop()
        result.ok = result.ok and not result.errors
        return self._checked.setdefault(node_id, result)

    def _check_input(self, node_id: str, name: str, config: list[Any], errors: list[Json]) -> bool:
        """Check one input. Its own errors are added to `errors`; False if a node behind its link is invalid."""
        inputs = cast("Json", self._graph[node_id]["inputs"])
        value = inputs[name]
        if isinstance(value, list):
            return self._check_link(name, cast("list[Any]", value), config, errors)
        if self._graph[node_id]["class_type"] in ("LoadImage", "LoadImageMask") and name == "image":
            if not self._is_loadable(value):
                details = f"image - Invalid image file: {value}"
                extra = {"input_name": name}
                errors.append(fault("custom_validation_failed", "Custom validation failed for node", details, extra))
            return True
        inputs[name], error = check_value(name, value, config)
        if error is not None:
            errors.append(error)
        return True

    def _check_link(self, name: str, link: list[Any], config: list[Any], errors: list[Json]) -> bool:
        extra = {"input_name": name, "input_config": config}
        if len(link) != 2:
            what = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            errors.append(fault("bad_linked_input", what, name, {**extra, "received_value": link}))
            return True
        source, slot = cast("str", link[0]), cast("int", link[1])
        received = self._catalog.outputs(self._graph[source]["class_type"])[slot]
        if not _fits(received, config[0]):
            details = f"{name}, received_type({received}) mismatch input_type({config[0]})"
            extra |= {"received_type": received, "linked_node": link}
            errors.append(fault("return_type_mismatch", "Return type mismatch between linked nodes", details, extra))
            return True
        return self._check_source(source, {**extra, "linked_node": link})

    def _check_source(self, source: str, extra: Json) -> bool:
        depth = len(self._path)
        try:
            return self._check(source).ok
        except Exception as error:
            del self._path[depth:]
            extra |= {
                "exception_message": str(error),
                "exception_type": type(error).__name__,
                "traceback": _traceback("validate_inputs"),
            }
            what = "Exception when validating inner node"
            described = fault("exception_during_inner_validation", what, str(error), extra)
            self._checked[source] = _Checked(ok=False, errors=[described])
            return False

    def _cycle(self, node_id: str) -> _Checked:
        """A dependency cycle; the old generation refuses it without an error entry."""
        if not self._is_new:
            return _Checked(ok=False, errors=[])
        ring = [*self._path[self._path.index(node_id) :], node_id]
        details = " -> ".join(f"{one} ({self._graph[one]['class_type']})" for one in ring)
        extra = {"node_id": node_id, "cycle_nodes": ring[:-1]}
        checked = _Checked(ok=False, errors=[fault("dependency_cycle", "Dependency cycle detected", details, extra)])
        self._checked[node_id] = checked
        return checked

    def _is_loadable(self, value: object) -> bool:
        try:
            return isinstance(value, str) and self._folders.loadable(value).is_file()
        except (OutsideError, ValueError, OSError):
            return False


def _fits(received: str, wanted: Any) -> bool:
    """Whether an output of type `received` can be linked to an input of type `wanted` (or its choices)."""
    if isinstance(wanted, list):
        return received in ("*", "COMBO")
    return "*" in (received, wanted) or bool(set(received.split(",")) & set(wanted.split(",")))


def _title(node: Any) -> str | None:
    return json_object(node.get("_meta")).get("title")


def _prompt_error(kind: str, message: str, details: str = "", extra: Json | None = None) -> Json:
    return {"type": kind, "message": message, "details": details, "extra_info": extra or {}}


def _traceback(function: str) -> list[str]:
    return [f'  File "{SERVER_FILE}", line 1010, in {function}\n']
