import json
import time

import pytest

from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.files.document import (
    MAX_BYTES,
    DocumentKind,
    kind_of,
    read_document,
)
from tests.workflow.importer.samples import PAIRS


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (PAIRS["own_primitives"]["ui"], DocumentKind.UI),
        (PAIRS["own_primitives"]["api"], DocumentKind.API),
        ({"1": {"class_type": "A", "inputs": {}}, "note": "kept by hand"}, DocumentKind.API),
        ({"nodes": [], "edges": []}, DocumentKind.OTHER),
        ({"prompt": {"1": {"class_type": "A", "inputs": {}}}}, DocumentKind.OTHER),
        ([], DocumentKind.OTHER),
        (None, DocumentKind.OTHER),
    ],
)
def test_the_format_is_told_by_the_shape(document: object, kind: DocumentKind):
    assert kind_of(document) is kind


def test_a_file_is_read_whatever_its_mark():
    assert read_document(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "is not valid JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": NaN}', "contains NaN"),
        (b" " * (MAX_BYTES + 1), "too large"),
    ],
)
def test_what_cannot_be_read_gets_a_sentence(data: bytes, said: str):
    with pytest.raises(WorkflowImportError, match=said):
        read_document(data)


def test_the_largest_file_is_read_in_less_than_a_second():
    entry = {"id": 1, "type": "EmptyImage", "widgets_values": [512, 512, 1, 0], "pos": [1.5, 2.5]}
    data = json.dumps([entry] * 60_000).encode()[:MAX_BYTES]
    started = time.process_time()

    with pytest.raises(WorkflowImportError, match="not valid JSON"):  # it was cut off
        read_document(data)
    assert time.process_time() - started < 1
