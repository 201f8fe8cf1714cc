"""The format of manifests as a JSON Schema, by which editors complete and explain what is typed.

An editor finds it by the first line of a manifest: `#:schema ../docs/manifest.schema.json`.
"""

import json
from typing import Any

from bot.workflow.manifest import Manifest

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that editors for TOML understand best."""


def manifest_schema() -> dict[str, Any]:
    """Return the schema, as plain values."""
    schema = Manifest.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    return {
        "$schema": DRAFT,
        "title": "A workflow of Comfycord",
        "definitions": schema.pop("$defs"),
        **{key: value for key, value in schema.items() if key != "title"},
    }


def schema_text() -> str:
    """Return it as the file that ships."""
    return json.dumps(manifest_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
