"""What a person types into a modal, in the shape in which it is submitted."""

from collections.abc import Mapping
from typing import Any

from tests.wire.components import ACTION_ROW, LABEL, walk
from tests.wire.files import Attachment
from tests.wire.http_json import Json
from tests.wire.options import Resolved

TEXT_INPUT, FILE_UPLOAD, RADIO, CHECKBOX = 4, 19, 21, 23
SINGLE_VALUE = {TEXT_INPUT, RADIO, CHECKBOX}


def submitted(modal: Json, values: Mapping[str, Any], resolved: Resolved) -> list[Json]:
    """Return the components of a submission. Raises LookupError for values without a field."""
    fields = {entry["custom_id"] for entry in walk(modal["components"]) if "custom_id" in entry}
    if unknown := values.keys() - fields:
        raise LookupError(f"no fields {sorted(unknown)}; there are {sorted(fields)}")
    return [_submitted(component, values, resolved) for component in modal["components"]]


def _submitted(component: Json, values: Mapping[str, Any], resolved: Resolved) -> Json:
    kind = component["type"]
    if kind == LABEL:
        return {"type": kind, "id": 1, "component": _submitted(component["component"], values, resolved)}
    if kind == ACTION_ROW:
        return {"type": kind, "components": [_submitted(entry, values, resolved) for entry in component["components"]]}
    if "custom_id" not in component:
        return {"type": kind, "id": 1}
    value = values.get(component["custom_id"], _default(component))
    key = "value" if kind in SINGLE_VALUE else "values"
    return {"type": kind, "id": 1, "custom_id": component["custom_id"], key: _sent(kind, value, resolved)}


def _sent(kind: int, value: Any, resolved: Resolved) -> Any:
    if kind == FILE_UPLOAD:
        files: list[Attachment] = value
        return [resolved.attachment(file) for file in files]
    return value


def _default(component: Json) -> Any:
    kind = component["type"]
    if kind == TEXT_INPUT:
        return component.get("value") or ""
    if kind == CHECKBOX:
        return bool(component.get("default"))
    chosen = [option["value"] for option in component.get("options", []) if option.get("default")]
    if kind == RADIO:
        return chosen[0] if chosen else None
    return chosen
