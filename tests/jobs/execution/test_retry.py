"""Saving a cached run again, under other names."""

from bot.jobs.execution.retry import with_new_filename_prefix
from bot.workflow.graph.graph import JsonGraph
from tests.jobs.doubles import spec

GRAPH: JsonGraph = {
    "1": {"class_type": "Anything", "inputs": {"filename_prefix": ["2", 0], "seed": 1}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "sub/out", "images": ["1", 0]}},
    "10": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "film", "images": ["1", 0]}},
}


def test_only_the_names_of_saved_files_change_and_the_accepted_run_stays() -> None:
    before = spec(graph=GRAPH)
    after = with_new_filename_prefix(before, "_x")
    assert after is not None
    assert after.graph["9"]["inputs"] == {"filename_prefix": "sub/out_x", "images": ["1", 0]}
    assert after.graph["10"]["inputs"]["filename_prefix"] == "film_x"
    assert after.graph["1"] == GRAPH["1"], "a prefix that another node makes is that node's"
    assert before.graph["9"]["inputs"]["filename_prefix"] == "sub/out"


def test_that_helps_once_and_only_where_names_are_given() -> None:
    once = with_new_filename_prefix(spec(graph=GRAPH), "_x")
    assert once is not None
    assert with_new_filename_prefix(once, "_x") is None
    assert with_new_filename_prefix(spec(), "_x") is None
