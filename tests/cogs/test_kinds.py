"""Options and results of every kind, through the whole bot."""

import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.cogs.whole_bot import (
    WORKFLOWS,
    Scene,
    done,
    watching,
)
from tests.images.samples import encoded, gradient

HEAD = 'schema = 1\ntitle = "It"\ndescription = "Do it"\n'
PROMPT = '[options.prompt]\nkind = "text"\ndescription = "What"\nrequired = true\nbind = "Positive Prompt.text"\n'
CHECKPOINT = (
    '[options.checkpoint]\nkind = "model"\ndescription = "Which"\nfrom = "CheckpointLoaderSimple.ckpt_name"\n'
    'bind = "Checkpoint.ckpt_name"\n'
)
TELL = json.dumps(
    {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": "nothing"}, "_meta": {"title": "Word"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}, "_meta": {"title": "Show"}},
    }
)
TELLING = HEAD + '[options.prompt]\nkind = "text"\ndescription = "What"\nbind = "Word.value"\n'


def with_extras() -> str:
    """Return the graph of `/imagine` with a LoRA and a ControlNet in it."""
    graph: dict[str, Any] = json.loads((WORKFLOWS / "imagine.json").read_text(encoding="utf-8"))
    ids = {node["_meta"]["title"]: node_id for node_id, node in graph.items()}
    checkpoint, sampler = ids["Checkpoint"], graph[ids["Sampler"]]["inputs"]
    lora = {
        "lora_name": "",
        "strength_model": 1.0,
        "strength_clip": 1.0,
        "model": [checkpoint, 0],
        "clip": [checkpoint, 1],
    }
    graph["50"] = {"class_type": "LoraLoader", "inputs": lora, "_meta": {"title": "LoRA"}}
    sampler["model"] = ["50", 0]
    for title in ("Positive Prompt", "Negative Prompt"):
        graph[ids[title]]["inputs"]["clip"] = ["50", 1]
    graph["60"] = {"class_type": "LoadImage", "inputs": {"image": "none.png"}, "_meta": {"title": "Pose"}}
    graph["61"] = {"class_type": "ControlNetLoader", "inputs": {"control_net_name": "none"}, "_meta": {"title": "Net"}}
    both = {"positive": sampler["positive"], "negative": sampler["negative"]}
    control = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0, "control_net": ["61", 0], "image": ["60", 0]}
    graph["62"] = {"class_type": "ControlNetApplyAdvanced", "inputs": {**both, **control}, "_meta": {"title": "Apply"}}
    sampler["positive"], sampler["negative"] = ["62", 0], ["62", 1]
    return json.dumps(graph)


EXTRAS = (
    HEAD
    + PROMPT
    + CHECKPOINT
    + '[options.loras]\nkind = "loras"\ndescription = "Styles"\nbind = "LoRA"\n'
    + '[options.pose]\nkind = "image"\ndescription = "Pose"\nbind = "Pose.image"\nbypass = "Apply"\n'
    + '[options.net]\nkind = "model"\ndescription = "Net"\nfrom = "ControlNetLoader.control_net_name"\n'
    + 'bind = "Net.control_net_name"\n'
    + '[options.size]\nkind = "size"\ndescription = "Size"\ndefault = "64x96"\n'
    + 'bind = { width = "Canvas.width", height = "Canvas.height" }\n'
)


async def last_graph(it: Scene) -> dict[str, Any]:
    """Return the graph that the server ran last."""
    async with aiohttp.ClientSession() as session, session.get(f"{it.comfy.url}/history") as answer:
        history = await answer.json()
    return list(history.values())[-1]["prompt"][2]


async def test_a_text_is_the_result_when_there_is_no_picture(tmp_path: Path) -> None:
    async with watching(tmp_path, tell_json=TELL, tell_toml=TELLING) as it:
        reply = await done(it.sim, await it.ann.slash(it.art, "tell", prompt="one\n@everyone *two*"))
        assert "> one\n> @everyone" in reply.text
        assert "\\*two\\*" in reply.text
        assert reply.files == []
        long = await done(it.sim, await it.ann.slash(it.art, "tell", prompt="word " * 300))
        assert len(long.files) == 1
        assert (await long.message.read()).decode() == ("word " * 300).strip()


async def test_parts_come_and_go_with_what_is_given(tmp_path: Path) -> None:
    async with watching(tmp_path, it_json=with_extras(), it_toml=EXTRAS) as it:
        await done(it.sim, await it.ann.slash(it.art, "it", prompt="a fox"))
        plain = await last_graph(it)
        assert {"50", "60", "61", "62"}.isdisjoint(plain), "no LoRA, no picture: nothing of both is left"
        canvas = next(node["inputs"] for node in plain.values() if node["class_type"] == "EmptyLatentImage")
        assert (canvas["width"], canvas["height"]) == (64, 96)

        names = await it.ann.autocomplete(it.art, "it", "loras", "")
        assert len(names) >= 2, "the stand-in has some"
        two = f"{names[0]}:0.5, {names[1]}"
        pose = ("p.png", encoded(gradient(64, 64)))
        reply = await done(it.sim, await it.ann.slash(it.art, "it", prompt="a fox", loras=two, pose=pose, size="96x64"))
        assert "96x64" in reply.text
        whole = await last_graph(it)
        loaders = [node["inputs"] for node in whole.values() if node["class_type"] == "LoraLoader"]
        assert [(each["lora_name"], each["strength_model"]) for each in loaders] == [(names[0], 0.5), (names[1], 1.0)]
        assert loaders[1]["model"] == ["50", 0]
        assert whole["60"]["inputs"]["image"].endswith(".png")
        refused = await it.ann.slash(it.art, "it", prompt="a fox", loras="nothing like it")
        assert "names an unknown LoRA" in refused.text
