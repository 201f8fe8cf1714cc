import errno
import json
import os
from pathlib import Path

import pytest

from bot.workflow.library.catalog import Catalog
from tests.workflow.samples import NODES, option

MANIFEST = 'schema = 1\ntitle = "T"\ndescription = "D"\noutputs = ["SaveImage"]\n' + option(
    "text", "#6.text", name="prompt"
)
GRAPH = json.dumps(NODES)


def write(folder: Path, **files: str | bytes) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def problems(catalog: Catalog) -> dict[str, str]:
    return {problem.file: str(problem.message) for problem in catalog.problems}


def test_a_pair_becomes_a_workflow(tmp_path: Path) -> None:
    write(tmp_path, cat__toml=MANIFEST, cat__json=GRAPH)
    catalog = Catalog.load(tmp_path)
    assert catalog.problems == ()
    workflow = catalog.workflows["cat"]
    assert workflow.name == "cat"
    assert workflow.outputs == ("9",)
    assert [target.node_id for target in workflow.bindings["prompt"]] == ["6"]


def test_two_manifests_may_share_a_graph(tmp_path: Path) -> None:
    write(
        tmp_path,
        one__toml='graph = "cat.json"\n' + MANIFEST,
        two__toml='graph = "cat.json"\n' + MANIFEST,
        cat__json=GRAPH,
    )
    catalog = Catalog.load(tmp_path)
    assert list(catalog.workflows) == ["one", "two"]
    assert catalog.problems == ()


def test_one_bad_pair_never_stops_the_others(tmp_path: Path) -> None:
    write(
        tmp_path,
        good__toml=MANIFEST,
        good__json=GRAPH,
        lonely__toml=MANIFEST,
        bare__json=GRAPH,
        binary__toml=os.urandom(50),
        binary__json=GRAPH,
        latin__toml=MANIFEST.replace("T", "é", 1).encode("latin-1"),
        latin__json=GRAPH,
        broken__toml=MANIFEST,
        broken__json=b"\x89PNG\r\n\x1a\n\x00",
        Big__toml=MANIFEST,
        Big__json=GRAPH,
        queue__toml=MANIFEST,
        queue__json=GRAPH,
        unbound__toml=MANIFEST.replace("#6.text", "Prompt.text") + option("text", "#7.text", "default = 5"),
        unbound__json=GRAPH,
        escape__toml='graph = "../good.json"\n' + MANIFEST,
    )
    write(tmp_path, README__md="x", _hidden=b"", notes__txt="x")
    (tmp_path / ".secret.toml").write_text("x")
    (tmp_path / "folder.json").mkdir()
    catalog = Catalog.load(tmp_path)
    assert list(catalog.workflows) == ["good"]
    found = problems(catalog)
    bad = "lonely.toml bare.json binary.toml latin.toml broken.json Big.toml queue.toml unbound.toml escape.toml"
    assert sorted(found) == sorted(bad.split())
    assert "Export (API)" in found["lonely.toml"]
    assert "bare.toml" in found["bare.json"]
    assert "must be lowercase" in found["Big.toml"]
    assert "one of the bot's own commands" in found["queue.toml"]
    assert "[options.it] default" in found["unbound.toml"]


def test_each_mistake_is_a_problem_of_its_own_and_names_the_place(tmp_path: Path) -> None:
    options = (
        option("text", "#6.txt", name="a") + option("text", "#6.text", name="b") + option("text", "#6.text", name="c")
    )
    text = 'schema = 1\ntitle = "T"\ndescription = "D"\noutputs = ["Sav"]\n' + options
    write(tmp_path, cat__toml=text, cat__json=GRAPH)
    assert [str(problem).split(": ")[:2] for problem in Catalog.load(tmp_path).problems] == [
        ["cat.toml", "[options.a] bind"],
        ["cat.toml", "[options.c] bind"],
        ["cat.toml", "outputs"],
    ]


@pytest.mark.parametrize(
    ("rest", "bind"),
    [("max = 10", "Sampler v1.5.steps"), ("step = 7", "Canvas.width"), ("", "#6.text")],
)
def test_the_graphs_own_value_must_pass_the_limits_when_it_is_the_default(tmp_path: Path, rest: str, bind: str) -> None:
    text = 'schema = 1\ntitle = "T"\ndescription = "D"\n' + option("integer", bind, rest)
    write(tmp_path, cat__toml=text, cat__json=GRAPH)
    assert "the graph's own value" in problems(Catalog.load(tmp_path))["cat.toml"]
    write(tmp_path, cat__toml=text + "required = true\n")
    assert Catalog.load(tmp_path).problems == ()


def test_a_missing_folder_is_a_problem_without_its_path(tmp_path: Path) -> None:
    catalog = Catalog.load(tmp_path / "none")
    assert not catalog.workflows
    assert str(catalog.problems[0]).startswith("none: cannot be read")
    assert str(tmp_path) not in str(catalog.problems[0])


def test_an_unreadable_file_is_a_problem_without_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, _mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    write(tmp_path, cat__toml=MANIFEST, cat__json=GRAPH)
    monkeypatch.setattr(Path, "open", refuse)
    assert problems(Catalog.load(tmp_path)) == {"cat.toml": "cannot be read: Permission denied."}
