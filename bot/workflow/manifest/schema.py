"""The JSON Schema of manifests, with which editors complete and explain keys.

Editors find it through the first line of a manifest: `#:schema ../docs/manifest.schema.json`.
"""

import json
from typing import Any

from bot.workflow.manifest.manifest import Manifest

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that TOML editors support best."""


def manifest_schema() -> dict[str, Any]:
    schema = Manifest.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    return {
        "$schema": DRAFT,
        "title": "Comfycord workflow",
        "definitions": schema.pop("$defs"),
        **{key: value for key, value in schema.items() if key != "title"},
    }


def schema_text() -> str:
    """Return the content of docs/manifest.schema.json."""
    return json.dumps(manifest_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
