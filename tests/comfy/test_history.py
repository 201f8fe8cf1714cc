from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.comfy.history import run_result
from bot.workflow.run.events import (
    FailureKind,
    OutputRef,
    OutputText,
    RunFailure,
    RunResult,
)

GRAPH = {"4": {"class_type": "CheckpointLoaderSimple"}, "9": {"class_type": "SaveImage"}, "12": {"class_type": "X"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def file(name: str, folder: str = "output", subfolder: str = "") -> dict[str, Any]:
    return {"filename": name, "subfolder": subfolder, "type": folder}


def entry(
    outputs: dict[str, Any] | None = None,
    *,
    status: str = "success",
    last: tuple[str, dict[str, Any]] = ("execution_success", {}),
    meta: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "prompt": [0, "id", GRAPH, {"client_id": "x"}, ["9"]],
        "outputs": outputs or {},
        "status": {
            "status_str": status,
            "completed": status == "success",
            "messages": [["execution_start", {}], list(last)],
        },
        "meta": meta or {},
    }


def failed(**data: Any) -> dict[str, Any]:
    return entry(status="error", last=("execution_error", {"node_id": "4", "node_type": "KSampler", **data}))


def names(result: RunResult) -> list[str]:
    return [ref.filename for ref in result.outputs]


def test_files_of_every_key_are_outputs():
    result = run_result(
        entry({"9": {"images": [file("a.png", subfolder="x/y")], "gifs": [file("b.mp4")], "animated": [True]}})
    )

    assert result == RunResult((OutputRef("9", "a.png", "x/y", "output"), OutputRef("9", "b.mp4", "", "output")))


def test_outputs_come_in_the_order_of_the_graph():
    assert names(run_result(entry({"12": {"images": [file("b")]}, "9": {"images": [file("a")]}}))) == ["a", "b"]


def test_previews_are_told_apart_by_their_folder():
    result = run_result(entry({"12": {"images": [file("t", "temp")]}, "9": {"images": [file("a")]}}))

    assert result == RunResult((OutputRef("9", "a", "", "output"), OutputRef("12", "t", "", "temp")))


def test_an_expanded_node_is_reported_as_the_visible_one():
    meta = {"12.0.0.3": {"node_id": "12.0.0.3", "display_node": "12"}, "9": {"node_id": "1", "display_node": "1"}}
    result = run_result(entry({"12.0.0.3": {"images": [file("a")]}, "9": {"images": [file("b")]}}, meta=meta))

    assert {ref.filename: ref.node_id for ref in result.outputs} == {"a": "12", "b": "9"}


def test_an_error_tells_the_node_and_a_clean_text():
    result = run_result(failed(exception_type="ValueError", exception_message="bad file /opt/comfy/x.png\n"))

    assert result.failure == RunFailure(FailureKind.NODE_ERROR, "4", "KSampler", "bad file x.png")


def test_out_of_memory_is_known_by_its_type_and_by_its_text():
    by_type = run_result(failed(exception_type="torch.cuda.OutOfMemoryError", exception_message="x"))
    by_text = run_result(failed(exception_type="RuntimeError", exception_message="CUDA out of memory. Tried"))

    assert by_type.failure is not None
    assert by_text.failure is not None
    assert by_type.failure.kind is by_text.failure.kind is FailureKind.OUT_OF_MEMORY


def test_what_was_finished_before_the_error_is_kept():
    broken = failed(exception_type="ValueError") | {"outputs": {"9": {"images": [file("partial.png")]}}}
    result = run_result(broken)

    assert names(result) == ["partial.png"]
    assert result.failure is not None


def test_only_the_last_message_tells_an_interrupt_from_an_error():
    result = run_result(entry(status="error", last=("execution_interrupted", {"node_id": "12"})))

    assert result.failure == RunFailure(FailureKind.INTERRUPTED)


def test_success_without_files_and_texts_is_a_failure():
    result = run_result(entry({"9": {"text": [" ", 7, {}], "other": ["hi"]}}))

    assert result.failure == RunFailure(FailureKind.NO_OUTPUTS)


def test_a_text_is_a_result():
    result = run_result(entry({"9": {"text": ["hi\0", "\ud800"]}, "7": {"text": "no list"}}))

    assert (result.texts, result.failure) == ((OutputText("9", "hi"),), None)


def test_a_block_that_was_seen_live_explains_missing_files():
    blocked = RunFailure(FailureKind.BLOCKED, "9", "PreviewImage", "blocked: nsfw")

    assert run_result(entry(), blocked).failure == blocked
    assert run_result(entry({"9": {"images": [file("a")]}}), blocked).failure is None


def test_entries_that_are_no_files_are_skipped():
    odd = [
        None,
        1,
        "x",
        [],
        {},
        {"filename": 7},
        {"filename": "a"},
        file("", "output"),
        file("\ud800"),
        file("c", "up"),
    ]

    assert run_result(entry({"9": {"images": [*odd, file("good.png")]}, "12": None})).outputs == (
        OutputRef("9", "good.png", "", "output"),
    )


@given(JSON)
def test_any_entry_is_survived(value: object):
    run_result(value)
    run_result({"outputs": value, "status": value, "meta": value, "prompt": value})
    run_result({"outputs": {"1": {"images": [value]}}, "status": {"status_str": "error", "messages": [value, ["x"]]}})
