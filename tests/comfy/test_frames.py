import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfy.frames import (
    Blocked,
    DisplayNodes,
    EndAnnounced,
    Frame,
    PromptFrame,
    Status,
    Unattributed,
    parse_binary,
    parse_text,
)
from bot.workflow.run.events import (
    FailureKind,
    NodesCached,
    NodeStarted,
    OutputRef,
    OutputsWritten,
    Preview,
    Progress,
    RunEnded,
    RunFailure,
    RunStarted,
)

ID = "d3df08b5-3cf0-4d91-8424-6f54990f1d08"
JPEG = b"\xff\xd8\xff\xe0picture"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
KINDS = st.sampled_from(
    [
        "status",
        "feature_flags",
        "execution_start",
        "execution_cached",
        "executing",
        "progress",
        "progress_state",
        "executed",
        "execution_success",
        "execution_error",
        "execution_interrupted",
    ]
)
FIELDS = st.dictionaries(
    st.sampled_from(["prompt_id", "node", "node_id", "nodes", "value", "max", "status", "sid", "exception_type"]), JSON
)


def of(*events: object) -> PromptFrame:
    return PromptFrame(ID, events)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("kind", "data", "parsed"),
    [
        ("status", {"status": {"exec_info": {"queue_remaining": 3}}}, Status(3)),
        ("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"}, Status(0, "me")),
        ("feature_flags", {"max_upload_size": 1048576.0}, Unattributed.GREETING),
        ("executing", {"node": "2"}, Unattributed.GREETING),
        ("execution_start", {"prompt_id": ID, "timestamp": 1}, of(RunStarted())),
        ("execution_cached", {"prompt_id": ID, "nodes": ["4", "54:73"]}, of(NodesCached(("4", "54:73")))),
        ("execution_cached", {"prompt_id": ID, "nodes": []}, of()),
        (
            "executing",
            {"prompt_id": ID, "node": "1.0.0.3", "display_node": "1"},
            of(DisplayNodes({"1.0.0.3": "1"}), NodeStarted("1")),
        ),
        ("executing", {"prompt_id": ID, "node": "1"}, of(NodeStarted("1"))),
        ("executing", {"prompt_id": ID, "node": None}, of(RunEnded())),
        ("progress", {"prompt_id": ID, "node": "3", "value": 1, "max": 20}, of(Progress("3", 1, 20))),
        (
            "progress_state",
            {
                "prompt_id": ID,
                "nodes": {
                    "1.0.0.3": {"display_node_id": "1", "state": "running", "value": 0.0},
                    "2": {"display_node_id": "2", "state": "finished", "value": 1.0},
                },
            },
            of(DisplayNodes({"1.0.0.3": "1"})),
        ),
        ("progress_state", {"prompt_id": ID, "nodes": {"2": {"state": "running"}}}, of()),
        ("executed", {"prompt_id": ID, "node": "9", "output": None}, of()),
        (
            "executed",
            {
                "prompt_id": ID,
                "node": "9.0.0.1",
                "display_node": "9",
                "output": {"images": [{"filename": "a.png", "subfolder": "b", "type": "output"}]},
            },
            of(OutputsWritten((OutputRef("9", "a.png", "b", "output"),))),
        ),
        ("execution_success", {"prompt_id": ID}, of(EndAnnounced())),
        ("execution_interrupted", {"prompt_id": ID, "node_id": "2"}, of(EndAnnounced())),
        (
            "execution_error",
            {
                "prompt_id": ID,
                "node_id": "2",
                "node_type": "KSampler",
                "exception_type": "ValueError",
                "exception_message": "boom\n",
            },
            of(EndAnnounced()),
        ),
        (
            "execution_error",
            {
                "prompt_id": ID,
                "node_id": "2",
                "node_type": "Guard",
                "exception_type": "ExecutionBlocked",
                "exception_message": "not here\n",
            },
            of(Blocked(RunFailure(FailureKind.BLOCKED, "2", "Guard", "not here"))),
        ),
    ],
)
def test_each_kind_becomes_its_events(kind: str, data: object, parsed: Frame):
    assert parse_text(json.dumps({"type": kind, "data": data})) == parsed


def test_bare_nan_does_not_spoil_a_frame():
    frame = (
        '{"type":"executed","data":{"prompt_id":"p","node":"1","output":'
        '{"value":[NaN,Infinity],"gifs":[{"filename":"a.mp4","type":"output"}]}}}'
    )

    assert parse_text(frame) == PromptFrame("p", (OutputsWritten((OutputRef("1", "a.mp4", "", "output"),)),))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"null",
        b"[1]",
        b"\xff\xfe",
        b'{"type":"assets.seed.started","data":{}}',
        b'{"type":"status"}',
        b'{"type":"status","data":[]}',
        b'{"type":["status"],"data":{}}',
        b'{"type":"execution_start","data":{"prompt_id":42}}',
        b'{"type":"execution_start","data":{"prompt_id":"\\ud800"}}',
        b'{"type":"executing","data":{"prompt_id":"p"}}',
        b'{"type":"executing","data":{"node":null}}',
        b'{"type":"progress","data":{"prompt_id":"p","node":"1","value":NaN,"max":4}}',
        b'{"type":"progress","data":{"prompt_id":"p","node":"1","value":true,"max":4}}',
        b'{"type":"progress","data":{"prompt_id":"p","node":"1","value":1,"max":1' + b"0" * 5000 + b"}}",
        b'{"type":"x","data":' + b"[" * 100_000,
    ],
)
def test_malformed_and_unknown_text_frames_are_none(frame: bytes):
    assert parse_text(frame) is None


def test_a_preview_with_metadata_names_its_prompt():
    metadata = json.dumps({"node_id": "3", "prompt_id": ID, "image_type": "image/jpeg"}).encode()
    frame = struct.pack(">II", 4, len(metadata)) + metadata + JPEG

    assert parse_binary(frame) == of(Preview(JPEG, "image/jpeg"))


def test_anonymous_previews_and_node_texts_are_known_but_of_no_prompt():
    assert parse_binary(struct.pack(">II", 1, 2) + b"\x89PNG") is Unattributed.PROGRESS
    assert parse_binary(struct.pack(">II", 3, 2) + b"12h\xc3\xa9llo") is Unattributed.PROGRESS


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0",
        b"\0\0\0\4",
        struct.pack(">II", 1, 1),
        struct.pack(">II", 1, 9) + JPEG,
        struct.pack(">II", 3, 0xFFFFFFFF) + b"12",
        struct.pack(">II", 4, 0xFFFFFFFF) + b"{}" + JPEG,
        struct.pack(">II", 4, 2) + b"{}" + JPEG,
        struct.pack(">II", 4, 2) + b"{}",
        struct.pack(">II", 4, 5) + b"[1,2]" + JPEG,
        struct.pack(">II", 99, 1) + JPEG,
    ],
)
def test_malformed_and_unknown_binary_frames_are_none(frame: bytes):
    assert parse_binary(frame) is None


def test_a_preview_of_a_foreign_kind_is_none():
    metadata = json.dumps({"prompt_id": ID, "image_type": "text/html"}).encode()

    assert parse_binary(struct.pack(">II", 4, len(metadata)) + metadata + JPEG) is None


@given(st.binary())
def test_any_bytes_are_survived(frame: bytes):
    parse_text(frame)
    parse_binary(frame)


@given(st.sampled_from([1, 2, 3, 4]), st.integers(0, 2**32 - 1), st.binary())
def test_any_binary_frame_is_survived(kind: int, length: int, rest: bytes):
    parse_binary(struct.pack(">II", kind, length) + rest)


@given(KINDS, JSON | FIELDS)
def test_any_data_of_a_known_kind_is_survived(kind: str, data: object):
    parse_text(json.dumps({"type": kind, "data": data}))
