from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfy.errors import MAX_FAULTS, node_faults, rejection_faults
from bot.workflow.run.events import FaultKind, GraphFault

STEPS = ["INT", {"default": 20, "min": 1, "max": 10000}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def node_errors(kind: str, message: str = "", details: str = "", **extra: Any) -> dict[str, Any]:
    error = {"type": kind, "message": message, "details": details, "extra_info": extra}
    return {"3": {"errors": [error], "dependent_outputs": ["9"], "class_type": "KSampler"}}


def only(errors: object) -> GraphFault:
    (fault,) = node_faults(errors)
    return fault


def test_a_value_out_of_range_tells_the_limit():
    small = only(node_errors("value_smaller_than_min", input_name="steps", input_config=STEPS, received_value=0))
    big = only(node_errors("value_bigger_than_max", input_name="steps", input_config=STEPS, received_value=10001))

    assert (small.kind, small.limit, small.received) == (FaultKind.TOO_SMALL, "1", "0")
    assert (big.kind, big.limit, big.received) == (FaultKind.TOO_BIG, "10000", "10001")
    assert (big.node_id, big.class_type, big.input_name) == ("3", "KSampler", "steps")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("required_input_missing", FaultKind.MISSING_INPUT),
        ("value_not_in_list", FaultKind.NOT_IN_LIST),
        ("invalid_input_type", FaultKind.WRONG_TYPE),
        ("return_type_mismatch", FaultKind.WRONG_TYPE),
        ("bad_linked_input", FaultKind.WRONG_TYPE),
        ("exception_during_inner_validation", FaultKind.OTHER),
        ("exception_during_validation", FaultKind.OTHER),
        ("dependency_cycle", FaultKind.OTHER),
        ("invented_in_2027", FaultKind.OTHER),
    ],
)
def test_types_become_kinds_and_unknown_ones_stay(kind: str, expected: FaultKind):
    assert only(node_errors(kind)).kind is expected


def test_a_missing_choice_with_a_long_list_has_no_config():
    fault = only(
        node_errors(
            "value_not_in_list",
            "Value not in list",
            "ckpt_name: 'x' not in (list of length 42)",
            input_name="ckpt_name",
            input_config=None,
            received_value="x",
        )
    )

    assert (fault.kind, fault.received, fault.limit) == (FaultKind.NOT_IN_LIST, "x", "")


def test_an_input_picture_that_is_gone_is_a_bad_file():
    details = "image - Invalid image file: missing.png"

    assert only(node_errors("custom_validation_failed", details=details)).kind is FaultKind.BAD_FILE
    assert only(node_errors("custom_validation_failed", details="strength - nope")).kind is FaultKind.OTHER


@pytest.mark.parametrize(
    "error",
    [
        {
            "type": "invalid_prompt",
            "message": "Cannot execute because node NoSuchNode does not exist.",
            "details": "Node ID '#54:73'",
            "extra_info": {},
        },
        {
            "type": "missing_node_type",
            "message": "Node 'My node' not found. The custom node may not be installed.",
            "details": "Node ID '#54:73'",
            "extra_info": {"node_id": "54:73", "class_type": "NoSuchNode", "node_title": "My node"},
        },
    ],
)
def test_a_missing_node_is_named_by_old_and_new_servers(error: dict[str, Any]):
    (fault,) = rejection_faults({"error": error, "node_errors": {}})

    assert (fault.kind, fault.node_id, fault.class_type) == (FaultKind.MISSING_NODE, "54:73", "NoSuchNode")


def test_a_graph_without_outputs():
    (fault,) = rejection_faults({"error": {"type": "prompt_no_outputs", "message": "Prompt has no outputs"}})

    assert fault.kind is FaultKind.NO_OUTPUTS


def test_a_rejection_that_explains_nothing_still_is_a_fault():
    error = {"type": "prompt_outputs_failed_validation", "message": "Prompt outputs failed validation", "details": ""}

    assert rejection_faults({"error": error, "node_errors": {}}) == (
        GraphFault(FaultKind.OTHER, detail="Prompt outputs failed validation"),
    )


def test_tracebacks_and_paths_of_the_server_stay_there():
    fault = only(
        node_errors(
            "exception_during_validation",
            "Exception when validating node",
            "/opt/ComfyUI/execution.py broke",
            traceback=['  File "/opt/ComfyUI/execution.py", line 808'],
            received_value="/etc/passwd",
        )
    )

    assert "/opt" not in str(fault)
    assert "/etc" not in str(fault)


def test_a_flood_of_faults_is_cut():
    errors = {str(number): node_errors("x")["3"] for number in range(500)}

    assert len(node_faults(errors)) == MAX_FAULTS


@given(JSON)
def test_any_answer_gives_at_least_one_fault(answer: object):
    assert rejection_faults(answer)
    assert rejection_faults({"error": answer, "node_errors": {"1": {"errors": [answer]}}})
