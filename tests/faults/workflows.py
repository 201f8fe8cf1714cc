"""Workflows that go wrong in ways that the shipped ones do not."""

import json
import shutil
from pathlib import Path
from typing import Any

from tests.paths import WORKFLOWS

SHIPPED = WORKFLOWS


def impatient(folder: Path, idle_limit: float) -> Path:
    """Return a folder with `/imagine` alone, which is stopped after so many seconds of silence."""
    folder.mkdir()
    shutil.copy(SHIPPED / "imagine.json", folder)
    manifest = (SHIPPED / "imagine.toml").read_text(encoding="utf-8")
    (folder / "imagine.toml").write_text(
        manifest.replace("\n[options", f"\nidle_limit = {idle_limit}\n\n[options", 1), encoding="utf-8"
    )
    return folder


def half_broken(folder: Path) -> Path:
    """Return a folder with an `/imagine` of two saving nodes, of which the server drops one for want of its picture."""
    folder.mkdir()
    graph: dict[str, Any] = json.loads((SHIPPED / "imagine.json").read_text(encoding="utf-8"))
    graph["90"] = {"class_type": "LoadImage", "inputs": {"image": "was-here-once.png"}, "_meta": {"title": "Gone"}}
    graph["91"] = {
        "class_type": "SaveImage",
        "inputs": {"images": ["90", 0], "filename_prefix": "second"},
        "_meta": {"title": "Second Save"},
    }
    (folder / "imagine.json").write_text(json.dumps(graph), encoding="utf-8")
    manifest = (SHIPPED / "imagine.toml").read_text(encoding="utf-8")
    (folder / "imagine.toml").write_text(
        manifest.replace('outputs = ["Save Image"]', 'outputs = ["Save Image", "Second Save"]'), encoding="utf-8"
    )
    return folder
