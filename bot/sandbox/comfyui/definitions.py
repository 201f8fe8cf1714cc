"""The node classes of the stand-in with their inputs and limits, as in `/object_info`.

They are defined in `nodes.json`: "@checkpoints" and the like mean choices that depend on the server, `new_only` marks
inputs that only the new generation has.
"""

import json
from importlib import resources
from typing import Any, cast

from bot.sandbox.comfyui.files import Folders
from bot.sandbox.comfyui.state import Generation, ServerState

Json = dict[str, Any]


class NodeCatalog:
    """Looks up node classes; choices are always current."""

    def __init__(self, state: ServerState, folders: Folders) -> None:
        self._state = state
        self._folders = folders
        text = resources.files("bot.sandbox.comfyui").joinpath("nodes.json").read_text(encoding="utf-8")
        data = cast("Json", json.loads(text))
        self._classes = cast("dict[str, Json]", data["classes"])
        self._lists = {"@samplers": data["samplers"], "@schedulers": data["schedulers"]}

    def names(self) -> list[str]:
        """Return all installed classes."""
        return [name for name in self._classes if name not in self._state.missing_classes]

    def has(self, class_type: object) -> bool:
        return class_type in self._classes and class_type not in self._state.missing_classes

    def is_output(self, class_type: str) -> bool:
        return bool(self._classes[class_type]["output_node"])

    def outputs(self, class_type: str) -> list[str]:
        """Return the types of the output slots."""
        return cast("list[str]", self._slots(class_type, "output"))

    def _slots(self, class_type: str, key: str) -> list[Any]:
        """Return output slots by `key`; output nodes of the old generation have none."""
        node = self._classes[class_type]
        return [] if node["output_node"] and self._state.generation is Generation.OLD else node[key]

    def inputs(self, class_type: str) -> list[tuple[str, bool, list[Any]]]:
        """Return (name, required, [type or choices, options]) for each input that is not hidden."""
        groups = self._input_groups(class_type)
        return [
            (name, group == "required", cast("list[Any]", spec))
            for group in ("required", "optional")
            for name, spec in groups.get(group, {}).items()
        ]

    def object_info(self, class_type: str) -> Json:
        node = self._classes[class_type]
        groups = self._input_groups(class_type)
        return {
            "input": groups,
            "input_order": {group: list(inputs) for group, inputs in groups.items()},
            "output": self._slots(class_type, "output"),
            "output_is_list": [False] * len(self._slots(class_type, "output")),
            "output_name": self._slots(class_type, "output_name"),
            "name": class_type,
            "display_name": node["display_name"],
            "description": "",
            "python_module": "nodes",
            "category": node["category"],
            "output_node": node["output_node"],
        }

    def _input_groups(self, class_type: str) -> dict[str, Json]:
        groups = cast("dict[str, Json]", self._classes[class_type]["input"])
        return {
            group: {name: self._resolved(spec) for name, spec in inputs.items() if not self._is_too_new(spec)}
            for group, inputs in groups.items()
        }

    def _is_too_new(self, spec: Any) -> bool:
        return self._state.generation is Generation.OLD and len(spec) > 1 and "new_only" in spec[1]

    def _resolved(self, spec: Any) -> Any:
        if isinstance(spec, str):  # a hidden input
            return spec
        kind, *rest = cast("list[Any]", spec)
        options = [{key: self._choices(value) for key, value in one.items() if key != "new_only"} for one in rest]
        return [self._choices(kind), *options]

    def _choices(self, value: Any) -> Any:
        if not (isinstance(value, str) and value.startswith("@")):
            return value
        if value in self._lists:
            return self._lists[value]
        folder = value.removeprefix("@")
        return self._folders.listing(folder) if folder in ("input", "output") else self._state.models.get(folder, [])
