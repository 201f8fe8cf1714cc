"""Uploads, what becomes of their names, and `/view`."""

import io
import json
import random
import uuid
from typing import Any

import pytest
from PIL import Image

from tests.contract.client import Client, picture_graph


def png(size: tuple[int, int] = (16, 8), mode: str = "RGB", alpha: int = 255) -> bytes:
    """A picture that no server has seen before."""
    color = tuple(random.randrange(256) for _ in range(3)) + ((alpha,) if mode == "RGBA" else ())
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()


def fresh(extension: str = "png") -> str:
    return f"contract-{uuid.uuid4().hex}.{extension}"


# ------------------------------------------------------------ uploads


async def test_an_upload_is_stored_under_its_name(client: Client) -> None:
    name, data = fresh(), png()
    answer = await client.upload(name, data)
    assert (answer.status, answer.json) == (200, {"name": name, "subfolder": "", "type": "input"})
    assert (await client.call("GET", f"/view?filename={name}&type=input")).body == data


async def test_other_bytes_get_another_name_and_the_same_bytes_the_same(client: Client) -> None:
    name, first, second = fresh(), png(), png((9, 9))
    stem = name.removesuffix(".png")
    names = [(await client.upload(name, data)).json["name"] for data in (first, first, second, first, second)]
    assert names == [name, name, f"{stem} (1).png", name, f"{stem} (1).png"]


@pytest.mark.parametrize(("overwrite", "is_kept"), [("true", True), ("1", True), ("True", False), ("false", False)])
async def test_overwriting(client: Client, overwrite: str, is_kept: bool) -> None:
    name = fresh()
    await client.upload(name, png())
    answer = await client.upload(name, png((7, 7)), overwrite=overwrite)
    assert (answer.json["name"] == name) is is_kept


async def test_a_subfolder_is_made_and_echoed(client: Client) -> None:
    name = fresh()
    answer = await client.upload(name, png(), subfolder="./contract/../contract/deep")
    assert answer.json == {"name": name, "subfolder": "./contract/../contract/deep", "type": "input"}
    assert (await client.call("GET", f"/view?filename={name}&type=input&subfolder=contract/deep")).status == 200


@pytest.mark.parametrize("subfolder", ["..", "../../etc", "/etc"])
async def test_a_subfolder_outside(client: Client, subfolder: str) -> None:
    answer = await client.upload(fresh(), png(), subfolder=subfolder)
    assert (answer.status, answer.body) == (400, b"")


async def test_an_unknown_type_is_an_error(client: Client) -> None:
    assert (await client.upload(fresh(), png(), type="bogus")).status == 500


async def test_other_folders(client: Client) -> None:
    assert (await client.upload(fresh(), png(), type="temp")).json["type"] == "temp"


async def test_no_file_at_all(client: Client) -> None:
    assert (await client.call("POST", "/upload/image", json={})).status == 400
    assert (await client.call("POST", "/upload/image")).status == 400


async def test_contents_are_not_looked_at(client: Client) -> None:
    assert (await client.upload(fresh(), b"")).status == 200


async def test_a_mask_goes_onto_a_copy_of_its_original(client: Client) -> None:
    original, name = fresh(), fresh()
    await client.upload(original, png())
    reference = json.dumps({"filename": original, "subfolder": "", "type": "input"})
    mask = png(mode="RGBA", alpha=90)
    answer = await client.upload(name, mask, "/upload/mask", original_ref=reference)
    assert answer.json["name"] == name
    stored = await client.call("GET", f"/view?filename={name}&type=input")
    assert Image.open(io.BytesIO(stored.body)).getchannel("A").getextrema() == (90, 90)
    assert (await client.upload(fresh(), mask, "/upload/mask")).status == 500


# ------------------------------------------------------------ view


@pytest.fixture
async def stored(client: Client) -> tuple[str, bytes]:
    """The name and bytes of a picture in the output folder."""
    name, data = fresh(), png(mode="RGBA", alpha=100)
    await client.upload(name, data, type="output")
    return name, data


async def test_a_file_comes_with_its_type_and_name(client: Client, stored: tuple[str, bytes]) -> None:
    answer = await client.call("GET", f"/view?filename={stored[0]}")
    assert (answer.status, answer.content_type, answer.body) == (200, "image/png", stored[1])
    assert f'filename="{stored[0]}"' in answer.headers["Content-Disposition"]


async def test_parts_of_a_file(client: Client, stored: tuple[str, bytes]) -> None:
    path = f"/view?filename={stored[0]}"
    part = await client.call("GET", path, headers={"Range": "bytes=0-9"})
    assert (part.status, part.body) == (206, stored[1][:10])
    assert (await client.call("HEAD", path)).body == b""
    etag = (await client.call("GET", path)).headers["ETag"]
    assert (await client.call("GET", path, headers={"If-None-Match": etag})).status == 304


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("filename=never-made.png", 404),
        ("", 404),
        ("filename=", 400),
        ("filename=a..b.png", 400),
        ("filename=../x.png", 400),
        ("filename=/etc/passwd", 400),
        ("filename=x.png&type=bogus", 400),
        ("filename=x.png&subfolder=..", 403),
        ("filename=x.png&subfolder=/etc", 403),
    ],
)
async def test_what_cannot_be_seen(client: Client, query: str, status: int) -> None:
    answer = await client.call("GET", f"/view?{query}")
    assert (answer.status, answer.body) == (status, b"")


async def test_the_folder_may_be_named_behind_the_file(client: Client, stored: tuple[str, bytes]) -> None:
    answer = await client.call("GET", f"/view?filename={stored[0]}%20[output]&type=input")
    assert answer.body == stored[1]


@pytest.mark.parametrize(
    ("query", "content_type"),
    [
        ("preview=webp", "image/webp"),
        ("preview=webp;50", "image/webp"),
        ("preview=jpeg;60", "image/jpeg"),
        ("preview=anything", "image/webp"),
        ("channel=rgb", "image/png"),
        ("channel=a", "image/png"),
    ],
)
async def test_pictures_can_be_reencoded(
    client: Client, stored: tuple[str, bytes], query: str, content_type: str
) -> None:
    answer = await client.call("GET", f"/view?filename={stored[0]}&{query}")
    assert (answer.status, answer.content_type) == (200, content_type)
    assert Image.open(io.BytesIO(answer.body)).size == (16, 8)


async def test_pages_are_served_as_bytes(client: Client) -> None:
    name = fresh("html")
    await client.upload(name, b"<html>", type="output")
    assert (await client.call("GET", f"/view?filename={name}")).content_type == "application/octet-stream"


# ------------------------------------------------------------ pictures through graphs


def load_graph(value: str, output: int = 0) -> dict[str, Any]:
    graph = picture_graph()
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": value}}
    graph["3"]["inputs"]["images"] = ["1", 0]
    if output:
        graph["2"] = {"class_type": "MaskToImage", "inputs": {"mask": ["1", 1]}}
        graph["3"]["inputs"]["images"] = ["2", 0]
    return graph


async def result(client: Client, graph: dict[str, Any]) -> Image.Image:
    (file,) = (await client.run(graph))["outputs"]["3"]["images"]
    query = f"filename={file['filename']}&subfolder={file['subfolder']}&type={file['type']}"
    return Image.open(io.BytesIO((await client.call("GET", f"/view?{query}")).body))


async def test_an_uploaded_picture_comes_through_unchanged(client: Client) -> None:
    data = png()
    name = (await client.upload(fresh(), data)).json["name"]
    shown = await result(client, load_graph(name))
    assert shown.tobytes() == Image.open(io.BytesIO(data)).tobytes()


@pytest.mark.parametrize("spelling", ["contract/{}", "contract/{} [input]"])
async def test_load_image_takes_subfolders_and_suffixes(client: Client, spelling: str) -> None:
    name = (await client.upload(fresh(), png(), subfolder="contract")).json["name"]
    assert (await result(client, load_graph(spelling.format(name)))).size == (16, 8)


async def test_the_mask_is_white_where_the_picture_is_transparent(client: Client) -> None:
    name = (await client.upload(fresh(), png(mode="RGBA", alpha=55))).json["name"]
    assert (await result(client, load_graph(name, output=1))).getpixel((3, 3)) == (200, 200, 200)


async def test_saved_pictures_hold_the_whole_graph(client: Client) -> None:
    graph = picture_graph()
    socket = await client.socket()
    extra = {"extra_pnginfo": {"workflow": {"nodes": []}}}
    prompt_id = await client.queue(graph, client_id=socket.sid, extra_data=extra)
    await socket.until_over(prompt_id)
    (file,) = (await client.history(prompt_id))["outputs"]["3"]["images"]
    answer = await client.call("GET", f"/view?filename={file['filename']}&subfolder={file['subfolder']}")
    metadata = Image.open(io.BytesIO(answer.body)).info
    assert json.loads(metadata["prompt"]) == graph
    assert json.loads(metadata["workflow"]) == {"nodes": []}


async def test_replacing_an_input_runs_the_graph_again(client: Client) -> None:
    name = fresh()
    await client.upload(name, png())
    first = await client.run(load_graph(name))
    await client.upload(name, png(), overwrite="true")
    second = await client.run(load_graph(name))
    assert second["outputs"]["3"]["images"] != first["outputs"]["3"]["images"]


async def test_the_prefix_is_filled_in(client: Client) -> None:
    graph = picture_graph(size=48)
    graph["3"]["inputs"]["filename_prefix"] = "contract/%width%x%height%"
    (file,) = (await client.run(graph))["outputs"]["3"]["images"]
    assert file["filename"].startswith("48x48_0")
    assert file["filename"].endswith("_.png")
