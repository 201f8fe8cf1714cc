"""What the pages for developers and owners name exists."""

import ast
import re
from pathlib import Path

import pytest

from bot.settings import Settings
from tests.paths import ROOT

PAGES = (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md")
TOP = ("bot/", "cogs/", "tests/", "docs/", "workflows/", ".ci/")
"""How a path of this checkout begins; others, such as `/view`, are not ours."""
CLASS = re.compile(r"[A-Z][a-z]\w*[a-z]\w*")


def _quoted(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def _paths(page: Path) -> list[str]:
    """Return what looks like a path, also inside a command such as `uv run pytest tests/faults`."""
    words = [word.partition("::")[0] for quoted in _quoted(page) for word in quoted.split()]
    files = {path.name for path in ROOT.iterdir() if path.is_file()}
    return [
        word for word in words if word.startswith(TOP) or word in files or re.fullmatch(r"[\w.-]+\.(md|toml)", word)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_exists(page: Path) -> None:
    paths = _paths(page)
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_class_exists() -> None:
    named = {word for page in PAGES for word in _quoted(page) if CLASS.fullmatch(word)}
    files = [path for folder in ("bot", "cogs", "tests") for path in (ROOT / folder).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    known = set(re.findall(r"^class (\w+)|^(\w+) = ", text, re.MULTILINE))
    assert len(named) > 10
    assert sorted(named - {name for pair in known for name in pair}) == []


def test_every_class_is_in_the_file_beside_it() -> None:
    """“`Class` in `path`” and “`path` | `Class`” say where a class is."""
    text = PAGES[0].read_text(encoding="utf-8")
    beside = re.findall(r"`(\w+)`(?: in|,) `([\w/]+\.py)`", text)
    beside += [(name, path) for path, name in re.findall(r"`([\w/]+\.py)` \| `(\w+)`", text)]
    assert len(beside) > 10
    assert [(name, path) for name, path in beside if name not in _defined(ROOT / path)] == []


def _defined(file: Path) -> set[str]:
    """Return the names at the top of a module."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return names


def test_owners_find_every_setting() -> None:
    settings = {name.upper() for name in Settings.model_fields}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == settings
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)} == settings
