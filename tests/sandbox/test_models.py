"""What a server has, what it has loaded, and how long it takes to load something else."""

import time
from typing import Any

from bot.sandbox.comfyui import Generation, StandIn
from tests.contract.client import Client

SLOW = 0.6


async def painted(client: Client, checkpoint: str, **inputs: Any) -> float:
    """Run a graph with this checkpoint and return how long that took."""
    graph = await client.sampling(**inputs)
    graph["1"]["inputs"]["ckpt_name"] = checkpoint
    began = time.monotonic()
    assert (await client.run(graph))["status"]["completed"]
    return time.monotonic() - began


async def test_only_a_model_that_the_last_run_did_not_use_is_loaded(server: StandIn, client: Client) -> None:
    server.state.load_seconds = SLOW
    first, second = server.state.models["checkpoints"][:2]
    waits, loads = [], []
    for checkpoint in (first, first, second, second, first):
        waits.append(await painted(client, checkpoint))
        loads.append(server.state.seen.model_switches)
    assert loads == [1, 1, 2, 2, 3]
    assert min(waits[0], waits[2], waits[4]) > SLOW


async def test_a_loader_with_a_known_result_loads_again_what_was_pushed_out(server: StandIn, client: Client) -> None:
    first, second = server.state.models["checkpoints"][:2]
    for checkpoint in (first, second):
        await painted(client, checkpoint)
    socket = await client.socket()
    graph = await client.sampling()
    graph["1"]["inputs"]["ckpt_name"] = first
    prompt_id = await client.queue(graph, client_id=socket.sid)
    frames = await socket.until_over(prompt_id)
    assert "1" in next(data["nodes"] for kind, data in frames if kind == "execution_cached")
    assert server.state.seen.model_switches == 3


async def test_a_run_without_a_model_leaves_the_loaded_one_alone(server: StandIn, client: Client) -> None:
    graph = await client.sampling()
    for _ in range(2):
        graph["5"]["inputs"]["seed"] += 1
        await client.run(graph)
        await client.run(
            {
                "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 7}},
                "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}},
            }
        )
    assert server.state.seen.model_switches == 1


async def test_memory_can_be_freed(server: StandIn, client: Client) -> None:
    checkpoint = server.state.models["checkpoints"][0]
    for _ in range(2):
        await painted(client, checkpoint)
        await client.call("POST", "/free", json={"unload_models": True})
    assert server.state.seen.model_switches == 2


async def test_a_restart_forgets_what_was_loaded(server: StandIn, client: Client) -> None:
    checkpoint = server.state.models["checkpoints"][0]
    await painted(client, checkpoint)
    await server.kill()
    await server.start()
    await painted(client, checkpoint)
    assert server.state.seen.model_switches == 2


async def test_a_diffusion_model_is_one_too(server: StandIn, client: Client) -> None:
    server.state.models |= {"diffusion_models": ["flux.safetensors"], "text_encoders": ["t5.safetensors"]}
    graph = await client.sampling(model=["8", 0])
    graph["8"] = {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors", "weight_dtype": "default"}}
    graph["1"] = {"class_type": "CLIPLoader", "inputs": {"clip_name": "t5.safetensors", "type": "sd3"}}
    graph["9"] = {"class_type": "VAELoader", "inputs": {"vae_name": server.state.models["vae"][0]}}
    for node_id in ("3", "4"):
        graph[node_id]["inputs"]["clip"] = ["1", 0]
    graph["6"]["inputs"]["vae"] = ["9", 0]
    assert (await client.run(graph))["status"]["completed"]
    assert server.state.seen.model_switches == 1


async def test_a_server_tells_its_version_and_its_memory(server: StandIn, client: Client) -> None:
    server.state.version = "0.41.2"
    server.state.device = "cuda:1 NVIDIA GeForce RTX 3060 : cudaMallocAsync"
    server.state.vram_total, server.state.vram_free = 12 * 1024**3, 5 * 1024**3
    stats = await client.get("/system_stats")
    assert stats["system"]["comfyui_version"] == "0.41.2"
    [device] = stats["devices"]
    assert (device["type"], device["index"], device["name"]) == ("cuda", 1, server.state.device)
    assert (device["vram_total"], device["vram_free"]) == (12 * 1024**3, 5 * 1024**3)


async def test_without_a_gpu_the_memory_is_the_hosts(server: StandIn, client: Client) -> None:
    server.state.generation = Generation.OLD
    stats = await client.get("/system_stats")
    assert stats["system"]["comfyui_version"] == "0.3.64"
    [device] = stats["devices"]
    assert (device["name"], device["type"], device["index"]) == ("cpu", "cpu", None)
    assert device["vram_free"] == device["vram_total"] == device["torch_vram_total"]
