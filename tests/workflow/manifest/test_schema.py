"""The schema that editors use says what the bot says."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bot.__main__ import main
from bot.workflow.manifest.manifest import Manifest
from bot.workflow.manifest.options import KINDS
from bot.workflow.manifest.schema import manifest_schema, schema_text
from tests.paths import ROOT
from tests.workflow.samples import SHIPPED
from tests.workflow.test_readme import EXAMPLES

FILE = ROOT / "docs" / "manifest.schema.json"
HEAD = {"schema": 1, "title": "T", "description": "D"}
VALIDATOR = jsonschema.Draft7Validator(manifest_schema())


def test_the_file_that_ships_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert capsys.readouterr().out == schema_text() == FILE.read_text(encoding="utf-8"), (
        "python -m bot schema > docs/manifest.schema.json"
    )


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.toml")), ids=lambda path: path.stem)
def test_what_ships_is_valid(path: Path) -> None:
    VALIDATOR.validate(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("example", EXAMPLES[1:])
def test_what_the_page_for_authors_shows_is_valid(example: str) -> None:
    VALIDATOR.validate({**HEAD, **tomllib.loads(example)})


@pytest.mark.parametrize(
    "wrong",
    [
        {"schema": 2},
        {"titel": "T"},
        {"options": {"a": {"kind": "txet", "description": "D", "bind": "a.b"}}},
        {"options": {"a": {"kind": "text", "description": "D", "bind": "a.b", "minn": 1}}},
        {"options": {"a": {"kind": "text", "bind": "a.b"}}},
        {"requires": {"models": {"A.b": 1}}},
    ],
)
def test_mistakes_are_found_by_both(wrong: dict[str, Any]) -> None:
    table = {**HEAD, **wrong}
    assert not VALIDATOR.is_valid(table)
    with pytest.raises(ValueError, match="validation"):
        Manifest.model_validate(table)


def test_every_key_is_explained() -> None:
    definitions = json.loads(schema_text())["definitions"]
    silent = [
        f"{name}.{key}"
        for name, table in definitions.items()
        for key, entry in table.get("properties", {}).items()
        if key != "kind" and not ({"description", "$ref"} & entry.keys() or "allOf" in entry)
    ]
    assert silent == []
    assert len([name for name in definitions if name.endswith("Option")]) == len(KINDS)
