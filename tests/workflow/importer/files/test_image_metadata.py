"""Pictures as ComfyUI and packs write them, made by Pillow, and broken ones."""

import io
import json
import struct
import zlib
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.workflow.importer.errors import WorkflowImportError
from bot.workflow.importer.files.image_metadata import MAX_TEXT, read_image_workflow

PROMPT = {"1": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ü"}}}
WORKFLOW: dict[str, Any] = {"nodes": [], "version": 0.4}
BOTH = (PROMPT, WORKFLOW)

USER_COMMENT, EXIF_DIRECTORY, DESCRIPTION, MAKE, MODEL = 0x9286, 0x8769, 0x010E, 0x010F, 0x0110


def png(info: PngInfo) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def with_exif(kind: str, tags: dict[int, str], comment: bytes = b"") -> bytes:
    exif = Image.Exif()
    for tag, text in tags.items():
        exif[tag] = text
    if comment:
        exif.get_ifd(EXIF_DIRECTORY)[USER_COMMENT] = comment
    out = io.BytesIO()
    Image.new("RGB", (2, 2)).save(out, kind, exif=exif)
    return out.getvalue()


def infos() -> list[PngInfo]:
    plain, packed, utf8 = PngInfo(), PngInfo(), PngInfo()
    plain.add_text("prompt", json.dumps(PROMPT))
    plain.add_text("workflow", json.dumps(WORKFLOW))
    packed.add_text("prompt", json.dumps(PROMPT), zip=True)
    packed.add_itxt("workflow", json.dumps(WORKFLOW), zip=True)
    utf8.add_itxt("prompt", json.dumps(PROMPT, ensure_ascii=False))
    utf8.add(b"comf", b"workflow\0" + json.dumps(WORKFLOW).encode(), after_idat=True)
    return [plain, packed, utf8]


@pytest.mark.parametrize("info", infos(), ids=["tEXt", "zTXt and iTXt", "UTF-8 and animated"])
def test_a_png_gives_what_was_posted_and_what_was_open(info: PngInfo):
    assert read_image_workflow(png(info)) == BOTH


@pytest.mark.parametrize("tail", [b"", b"\0\0", b"IHDR and whatever"])
def test_what_stands_behind_the_end_of_a_png_is_read_as_the_editor_does(tail: bytes):
    body = b"workflow\0" + json.dumps(WORKFLOW).encode()
    chunk = struct.pack(">I", len(body)) + b"tEXt" + body + b"sum?"

    assert read_image_workflow(png(PngInfo()) + chunk + tail) == (None, WORKFLOW)
    assert read_image_workflow(png(infos()[0]) + tail) == BOTH


@pytest.mark.parametrize("kind", ["WEBP", "JPEG"])
@pytest.mark.parametrize(
    "tags",
    [
        {MODEL: f"prompt:{json.dumps(PROMPT)}", MAKE: f"workflow:{json.dumps(WORKFLOW)}"},
        {MAKE: f"Prompt:{json.dumps(PROMPT)}", DESCRIPTION: f"Workflow:{json.dumps(WORKFLOW)}"},
        {DESCRIPTION: json.dumps({"prompt": PROMPT, "workflow": json.dumps(WORKFLOW)})},
    ],
    ids=["ComfyUI", "packs", "one object"],
)
def test_exif_gives_the_same(kind: str, tags: dict[int, str]):
    assert read_image_workflow(with_exif(kind, tags)) == BOTH


@pytest.mark.parametrize("kind", ["WEBP", "JPEG"])
@pytest.mark.parametrize(
    ("head", "encoding"),
    [(b"UNICODE\0", "utf-16-le"), (b"UNICODE\0", "utf-16-be"), (b"ASCII\0\0\0", "ascii"), (b"", "utf-8")],
)
def test_a_comment_of_the_user_is_read(kind: str, head: bytes, encoding: str):
    comment = head + json.dumps({"prompt": PROMPT}).encode(encoding)

    assert read_image_workflow(with_exif(kind, {}, comment)) == (PROMPT, None)


def test_a_bare_nan_is_none():
    info = PngInfo()
    info.add_text("prompt", '{"1": {"class_type": "A", "inputs": {}, "is_changed": [NaN]}}')

    assert read_image_workflow(png(info)) == ({"1": {"class_type": "A", "inputs": {}, "is_changed": [None]}}, None)


@pytest.mark.parametrize("data", [png(PngInfo()), with_exif("WEBP", {}), with_exif("JPEG", {MAKE: "{a camera}"})])
def test_other_pictures_have_none(data: bytes):
    assert read_image_workflow(data) == (None, None)


def test_other_files_are_refused():
    with pytest.raises(WorkflowImportError, match="not a PNG"):
        read_image_workflow(b"GIF89a")


def _text_start(data: bytes) -> int:
    return data.index(b"tEXt")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: _text_start(data) + 20], id="cut off"),
        pytest.param(lambda data: data.replace(b"class_type", b"klass_type", 1), id="changed"),
        pytest.param(lambda data: data[:33] + struct.pack(">I", 2**31) + data[37:], id="a length beyond the end"),
    ],
)
def test_a_damaged_png_gets_a_sentence(damage: Any):
    with pytest.raises(WorkflowImportError, match="is damaged"):
        read_image_workflow(damage(png(infos()[0])))


def test_what_was_read_before_the_damage_counts():
    data = png(infos()[0])

    assert read_image_workflow(data[: data.index(b"IDAT") + 6]) == BOTH


@pytest.mark.parametrize("text", ["{", "[" * 100_000])
def test_a_text_that_is_no_json_gets_a_sentence(text: str):
    info = PngInfo()
    info.add_text("prompt", text)

    with pytest.raises(WorkflowImportError, match="is damaged"):
        read_image_workflow(png(info))


def test_a_text_that_unpacks_to_too_much_is_refused():
    body = b"prompt\0\0" + zlib.compress(b'{"a": "' + b"x" * (MAX_TEXT * 3) + b'"}')
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = png(PngInfo())

    with pytest.raises(WorkflowImportError, match="is damaged"):
        read_image_workflow(data[:33] + chunk + data[33:])
