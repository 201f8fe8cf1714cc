"""What a server says about itself, and its manners."""

import pytest

from tests.contract.client import Client, picture_graph

CLASSES = ["CheckpointLoaderSimple", "KSampler", "CLIPTextEncode", "EmptyLatentImage", "VAEDecode", "SaveImage"]


async def test_object_info_of_all_and_of_one(client: Client) -> None:
    everything = await client.get("/object_info")
    assert set(CLASSES) <= set(everything)
    for name in CLASSES:
        assert await client.get(f"/object_info/{name}") == {name: everything[name]}


async def test_a_class_is_described_by_inputs_and_outputs(client: Client) -> None:
    sampler = (await client.get("/object_info/KSampler"))["KSampler"]
    assert sampler["input"]["required"]["steps"][0] == "INT"
    assert sampler["input"]["required"]["steps"][1]["min"] == 1
    assert sampler["input"]["required"]["seed"][1]["max"] == 2**64 - 1
    assert "euler" in sampler["input"]["required"]["sampler_name"][0]
    assert sampler["input_order"]["required"][:2] == ["model", "seed"]
    assert (sampler["output"], sampler["output_node"], sampler["name"]) == (["LATENT"], False, "KSampler")
    saver = (await client.get("/object_info/SaveImage"))["SaveImage"]
    assert saver["output_node"] is True
    assert saver["input"]["hidden"]["prompt"] == "PROMPT"


async def test_newer_classes_write_choices_differently(client: Client) -> None:
    spec = (await client.get("/object_info/UpscaleModelLoader"))["UpscaleModelLoader"]["input"]["required"]
    assert spec["model_name"][0] == "COMBO"
    assert isinstance(spec["model_name"][1]["options"], list)


async def test_an_unknown_class_is_an_empty_object(client: Client) -> None:
    assert await client.get("/object_info/NoSuchClass") == {}


async def test_loaders_list_what_models_lists(client: Client) -> None:
    names = await client.get("/models/checkpoints")
    info = await client.get("/object_info/CheckpointLoaderSimple")
    spec = info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"]
    assert names == (spec[0] if isinstance(spec[0], list) else spec[1]["options"])
    assert {"checkpoints", "loras", "upscale_models"} <= set(await client.get("/models"))


async def test_uploads_show_up_among_the_choices(client: Client) -> None:
    name = (await client.upload("contract-choice.png", b"anything", overwrite="true")).json["name"]
    spec = (await client.get("/object_info/LoadImageMask"))["LoadImageMask"]["input"]["required"]["image"]
    assert name in spec[0]


async def test_system_stats(client: Client) -> None:
    stats = await client.get("/system_stats")
    assert stats["system"]["comfyui_version"]
    assert stats["system"]["ram_total"] > 0
    assert {"name", "type", "vram_total", "vram_free"} <= set(stats["devices"][0])


async def test_every_route_is_also_under_api(client: Client) -> None:
    for path in ("/prompt", "/queue", "/features", "/history?max_items=1", "/object_info/KSampler", "/models"):
        assert await client.get(f"/api{path}") == await client.get(path)
    answer = await client.call("POST", "/api/prompt", json={"prompt": picture_graph()})
    assert answer.status == 200
    await client.until_idle()


@pytest.mark.parametrize(
    ("method", "path", "status", "content_type"),
    [
        ("GET", "/nope", 404, "application/octet-stream"),
        ("GET", "/api/nope", 404, "application/octet-stream"),
        ("GET", "/interrupt", 404, "application/octet-stream"),
        ("GET", "/upload/image", 404, "application/octet-stream"),
        ("GET", "/models/nope", 404, "application/octet-stream"),
        ("POST", "/nope", 405, "text/plain"),
        ("PUT", "/prompt", 405, "text/plain"),
        ("DELETE", "/queue", 405, "text/plain"),
        ("OPTIONS", "/prompt", 200, "application/octet-stream"),
        ("GET", "/ws", 400, "text/plain"),
    ],
)
async def test_wrong_doors(client: Client, method: str, path: str, status: int, content_type: str) -> None:
    answer = await client.call(method, path)
    assert (answer.status, answer.content_type) == (status, content_type)
    if status != 405 and path != "/ws":
        assert answer.body == b""


async def test_pages_of_other_origins_are_turned_away(client: Client) -> None:
    assert (await client.call("GET", "/prompt", headers={"Origin": "http://evil.example"})).status == 403
    assert (await client.call("GET", "/prompt", headers={"Origin": client.url})).status == 200
