import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.workflow.run.events import (
    FailureKind,
    FaultKind,
    GraphFault,
    RunFailure,
)
from bot.workflow.run.explain import explain, explain_failure
from tests.workflow.samples import option, run, workflow

SPEC = run(
    workflow(
        option("integer", "#54:3.steps", name="steps")
        + option("model", "#4.ckpt_name", 'from = "CheckpointLoaderSimple.ckpt_name"', name="checkpoint")
        + option("image", "#n.image", name="picture"),
        n={"class_type": "LoadImage", "inputs": {"image": "x.png"}},
    )
)


def fault(kind: FaultKind, node_id: str = "54:3", input_name: str = "steps", **rest: str) -> GraphFault:
    return GraphFault(kind, node_id, input_name=input_name, **rest)


def said(*faults: GraphFault) -> str:
    return str(explain(faults, SPEC))


def failed(kind: FailureKind, **rest: str) -> str:
    return str(explain_failure(RunFailure(kind, **rest), SPEC))


def test_limits_name_the_option() -> None:
    assert said(fault(FaultKind.TOO_BIG, limit="100")) == "**steps** must be at most 100."
    assert said(fault(FaultKind.TOO_SMALL, limit="1")) == "**steps** must be at least 1."
    assert said(fault(FaultKind.TOO_SMALL)) == "**steps** is too small for ComfyUI."


def test_inputs_without_option_name_the_node_by_its_title() -> None:
    assert said(fault(FaultKind.TOO_BIG, input_name="cfg", limit="100")).startswith(
        "“cfg” of the node “Sampler v1.5” must be at most 100."
    )


def test_a_missing_model_names_it_without_its_folder() -> None:
    mine = said(fault(FaultKind.NOT_IN_LIST, "4", "ckpt_name", received="SDXL/base.ckpt"))
    assert mine == "**checkpoint**: “base.ckpt” isn't available on the GPU server. Pick another one from the list."
    baked = said(fault(FaultKind.NOT_IN_LIST, "9", "vae_name", received="C:\\models\\vae.pt"))
    assert baked.startswith("This workflow needs “vae.pt”, which isn't available on the GPU server.")


def test_other_faults_say_what_to_do() -> None:
    assert "needs the node “Fancy”" in said(GraphFault(FaultKind.MISSING_NODE, "1", "Fancy"))
    assert said(fault(FaultKind.BAD_FILE, "n", "image")).startswith("**picture**: ComfyUI couldn't open this file.")
    assert "tell the bot's owner" in said(fault(FaultKind.BAD_FILE, "77", "image"))
    assert "no node that saves" in said(GraphFault(FaultKind.NO_OUTPUTS))
    assert said(fault(FaultKind.MISSING_INPUT)) == "**steps** needs a value."
    assert said(fault(FaultKind.WRONG_TYPE)).startswith("**steps** ")
    assert said(fault(FaultKind.OTHER, detail="is odd")) == "**steps**: is odd"
    assert said() != ""


def test_three_faults_are_told_and_the_rest_counted_once_each() -> None:
    many = [fault(FaultKind.TOO_BIG, limit=str(n // 2)) for n in range(10)]
    lines = said(*many).splitlines()
    assert len(lines) == 4
    assert lines[-1] == "… and 2 more."


def test_failures_are_plain_sentences() -> None:
    assert failed(FailureKind.OUT_OF_MEMORY, detail="CUDA") == (
        "The GPU ran out of memory. Try a smaller size or fewer images."
    )
    assert failed(FailureKind.NODE_ERROR, node_id="54:3", detail="shapes differ (77x1 and 8x2)") == (
        "The node “Sampler v1.5” failed: shapes differ (77x1 and 8x2)"
    )
    assert "stopped" in failed(FailureKind.INTERRUPTED)
    assert "saved nothing" in failed(FailureKind.NO_OUTPUTS)
    assert failed(FailureKind.BLOCKED, detail="no faces").endswith("no faces")
    assert failed(FailureKind.BLOCKED).endswith("without giving a reason.")


@pytest.mark.parametrize(
    ("node_id", "class_type", "title"),
    [("54:3.0.0.1", "Inner", "Sampler v1.5"), ("6", "", "CLIPTextEncode"), ("99", "Gone", "Gone"), ("99", "", "99")],
)
def test_nodes_are_named_as_well_as_can_be(node_id: str, class_type: str, title: str) -> None:
    assert f"“{title}” failed" in failed(FailureKind.NODE_ERROR, node_id=node_id, class_type=class_type)


@pytest.mark.parametrize(
    "detail",
    [
        "[Errno 2] No such file or directory: '/home/john/ComfyUI/input/x.png'",
        "cannot open C:\\Users\\john\\x.png now",
        'Traceback (most recent call last):\n  File "/home/john/nodes.py", line 3\nValueError: bad',
        "see http://10.0.0.3:8188/view and @everyone <@&123> <#5>",
    ],
)
def test_details_tell_no_path_and_ping_nobody(detail: str) -> None:
    for sentence in (
        failed(FailureKind.NODE_ERROR, node_id="6", detail=detail),
        said(fault(FaultKind.OTHER, detail=detail)),
    ):
        for leak in ("john", "10.0.0.3", "Traceback", "@everyone", "<@&", "<#5", "\n"):
            assert leak not in sentence


@given(
    st.sampled_from(FaultKind),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.sampled_from(FailureKind),
)
def test_hostile_facts_become_short_text(
    kind: FaultKind, node: str, cls: str, name: str, received: str, limit: str, detail: str, failure: FailureKind
) -> None:
    for text in (
        said(GraphFault(kind, node, cls, name, received, limit, detail)),
        failed(failure, node_id=node, class_type=cls, detail=detail),
    ):
        assert 0 < len(text) < 700
        assert "@everyone" not in text
