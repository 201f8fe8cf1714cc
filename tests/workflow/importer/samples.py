"""Pairs exported by ComfyUI's editor, the node classes they use, and a small workflow to bend."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.ui_format.convert import convert

_HERE = Path(__file__).parent

OBJECT_INFO: dict[str, Any] = json.loads((_HERE / "object_info.json").read_text(encoding="utf-8"))

PAIRS: dict[str, dict[str, Any]] = {
    pair["name"]: pair for pair in map(json.loads, (_HERE / "pairs.jsonl").read_text(encoding="utf-8").splitlines())
}


def ui(*nodes: dict[str, Any], links: tuple[list[Any], ...] = (), **more: Any) -> dict[str, Any]:
    return {"nodes": list(nodes), "links": list(links), "version": 0.4, **more}


def node(node_id: int, kind: str, *values: Any, **more: Any) -> dict[str, Any]:
    return {"id": node_id, "type": kind, "widgets_values": list(values), **more}


def slot(name: str, kind: str = "*", link: int | None = None, *, widget: bool = False) -> dict[str, Any]:
    return {"name": name, "type": kind, "link": link} | ({"widget": {"name": name}} if widget else {})


def inputs_of(document: dict[str, Any], node_id: str, **more: Any) -> dict[str, Any]:
    return convert(document, OBJECT_INFO | more)[node_id]["inputs"]


def refusal(document: object, **more: Any) -> str:
    with pytest.raises(WorkflowImportError) as caught:
        convert(document, OBJECT_INFO | more)
    return str(caught.value)


SAMPLER = (5, "fixed", 20, 8, "euler", "normal", 1)
"""What a KSampler saves: seed, its control, steps, cfg, sampler, scheduler, denoise."""

SUBGRAPH = "aaaaaaaa-0000-4000-8000-00000000000a"


def with_subgraph(inner: dict[str, Any], *nodes: dict[str, Any], links: tuple[list[Any], ...] = ()) -> dict[str, Any]:
    return ui(*nodes, links=links, definitions={"subgraphs": [{"id": SUBGRAPH, **inner}]})


def text_subgraph(inner_text: str = "inner") -> dict[str, Any]:
    """Return a subgraph of one text whose input is promoted: host values are about that one alone."""
    return {
        "inputs": [{"name": "text", "type": "STRING", "linkIds": [1]}],
        "outputs": [{"name": "COND", "type": "CONDITIONING", "linkIds": [2]}],
        "nodes": [node(7, "CLIPTextEncode", inner_text, inputs=[slot("text", "STRING", 1, widget=True)])],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 7, "target_slot": 0, "type": "STRING"},
            {"id": 2, "origin_id": 7, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "CONDITIONING"},
        ],
    }
