import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.comfy.events import (
    Executed,
    Executing,
    ExecutionCached,
    ExecutionError,
    ExecutionInterrupted,
    ExecutionStart,
    ExecutionSuccess,
    FeatureFlags,
    NodeProgress,
    NodeState,
    NodeText,
    PreviewImage,
    PreviewWithMetadata,
    ProgressState,
    Status,
)
from bot.comfy.frames import parse_binary, parse_text

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


@pytest.mark.parametrize(
    ("kind", "data", "event"),
    [
        ("status", {"status": {"exec_info": {"queue_remaining": 3}}}, Status(3)),
        ("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"}, Status(0, "me")),
        ("feature_flags", {"max_upload_size": 1048576.0}, FeatureFlags({"max_upload_size": 1048576.0})),
        ("execution_start", {"prompt_id": ID, "timestamp": 1}, ExecutionStart(ID)),
        ("execution_cached", {"prompt_id": ID, "nodes": ["4", "54:73"]}, ExecutionCached(ID, ("4", "54:73"))),
        ("execution_cached", {"prompt_id": ID, "nodes": []}, ExecutionCached(ID, ())),
        ("executing", {"prompt_id": ID, "node": "1.0.0.3", "display_node": "1"}, Executing(ID, "1.0.0.3", "1")),
        ("executing", {"prompt_id": ID, "node": None}, Executing(ID, None, "")),
        ("executing", {"node": "2"}, Executing("", "2", "2")),
        ("progress", {"prompt_id": ID, "node": "3", "value": 1, "max": 20}, NodeProgress(ID, "3", 1, 20)),
        (
            "progress_state",
            {"prompt_id": ID, "nodes": {"1.0.0.3": {"display_node_id": "1", "state": "running", "value": 0.0}}},
            ProgressState(ID, (NodeState("1.0.0.3", "1", "running"),)),
        ),
        ("executed", {"prompt_id": ID, "node": "9", "output": None}, Executed(ID, "9", {})),
        (
            "executed",
            {"prompt_id": ID, "node": "9.0.0.1", "display_node": "9", "output": {"images": []}},
            Executed(ID, "9", {"images": []}),
        ),
        ("execution_success", {"prompt_id": ID}, ExecutionSuccess(ID)),
        ("execution_interrupted", {"prompt_id": ID, "node_id": "2"}, ExecutionInterrupted(ID, "2")),
        (
            "execution_error",
            {
                "prompt_id": ID,
                "node_id": "2",
                "node_type": "KSampler",
                "exception_type": "ValueError",
                "exception_message": "boom\n",
            },
            ExecutionError(ID, "2", "KSampler", "ValueError", "boom\n"),
        ),
    ],
)
def test_each_kind_becomes_its_event(kind: str, data: object, event: object):
    assert parse_text(json.dumps({"type": kind, "data": data})) == event


def test_bare_nan_does_not_spoil_a_frame():
    frame = '{"type":"executed","data":{"prompt_id":"p","node":"1","output":{"value":[NaN,Infinity]}}}'

    event = parse_text(frame)
    assert isinstance(event, Executed)
    assert (event.prompt_id, event.node, len(event.output["value"])) == ("p", "1", 2)


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

    assert parse_binary(frame) == PreviewWithMetadata(ID, "3", "image/jpeg", JPEG)


def test_anonymous_previews_and_node_texts_are_told_apart():
    assert parse_binary(struct.pack(">II", 1, 2) + b"\x89PNG") == PreviewImage("image/png", b"\x89PNG")
    assert parse_binary(struct.pack(">II", 3, 2) + b"12h\xc3\xa9llo") == NodeText("12", "héllo")


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
