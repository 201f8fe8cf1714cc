"""Every mistake of an author is one line that names the file, the key and the cure, and no other workflow suffers."""

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.cli.check import check as check_command
from bot.settings import Settings
from bot.workflow.graph.definitions import Definitions, InputDefinition
from bot.workflow.library.catalog import Catalog
from bot.workflow.run.check import check
from tests.workflow.samples import (
    SHIPPED,
    combo,
    definitions,
    node,
    whole,
)

Seed = Callable[[Path], None]
FILE = "imagine.toml"


def text(before: str, after: str) -> Seed:
    def seed(folder: Path) -> None:
        path = folder / FILE
        content = path.read_text(encoding="utf-8")
        assert before in content
        path.write_text(content.replace(before, after, 1), encoding="utf-8")

    return seed


def added(lines: str) -> Seed:
    return text("[options.negative]", f"{lines}\n[options.negative]")


def graph(title: str, change: Callable[[dict[str, Any], dict[str, str]], None]) -> Seed:
    def seed(folder: Path) -> None:
        path = folder / "imagine.json"
        nodes = json.loads(path.read_text(encoding="utf-8"))
        ids = {each["_meta"]["title"]: node_id for node_id, each in nodes.items()}
        change(nodes[ids[title]], ids)
        path.write_text(json.dumps(nodes), encoding="utf-8")

    return seed


def written(name: str, content: str) -> Seed:
    def seed(folder: Path) -> None:
        (folder / name).write_text(content, encoding="utf-8")

    return seed


OFFLINE: list[tuple[str, Seed, list[str]]] = [
    ("a manifest from the future", text("schema = 1", "schema = 2"),
     ["imagine.toml: schema: is 2, but this bot only supports up to 1. Update the bot."]),
    ("no title", text('title = "Text to image"\n', ""), ["imagine.toml: title: is missing. Add it."]),
    ("an unknown key", text("outputs", "output"),
     ["imagine.toml: output: “output” is unknown. Did you mean “outputs”?"]),
    ("an unknown kind", text('kind = "text"', 'kind = "txt"'),
     ["imagine.toml: [options.prompt]: “txt” is unknown. Did you mean “text”?"]),
    ("limits the wrong way round", text("max = 2048", "max = 32"),
     ["imagine.toml: [options.width] min: must not be greater than max."]),
    ("a default that does not fit", text("default = 512", "default = 513"),
     ["imagine.toml: [options.width] default: must be a multiple of 8. Try 512 or 520."]),
    ("an input that is not there", text('"Sampler.steps"', '"Sampler.step"'),
     ["imagine.toml: [options.steps] bind: “Sampler” has no input “step”. Did you mean “steps”?"]),
    ("a node that is not there", text('"Sampler.steps"', '"Smpler.steps"'),
     ["imagine.toml: [options.steps] bind: no node is titled “Smpler”. Did you mean “Sampler”?"]),
    ("a link where a value is needed", text('"Sampler.steps"', '"Sampler.model"'),
     ["imagine.toml: [options.steps] bind: “Sampler.model” is fed by the node “Checkpoint” (#1). Bind an input of that"
      " node instead."]),
    ("two options for one input", text('"Sampler.steps"', '"Sampler.cfg"'),
     ["imagine.toml: [options.cfg] bind: “cfg” is already filled by the option “steps”. Bind one of the two"
      " elsewhere."]),
    ("a text for the name of a file", text('"Positive Prompt.text"', '"Save Image.filename_prefix"'),
     ["imagine.toml: [options.prompt] bind: “filename_prefix” of “Save Image” takes a file name, which members must not"
      " type. Use an option of kind “image” for images, “model” for models, or “choice” with a fixed list."]),
    ("two nodes with one title", graph("Positive Prompt", lambda it, _ids: it["_meta"].update(title="Negative Prompt")),
     ["imagine.toml: [options.prompt] bind: no node is titled “Positive Prompt”. Did you mean “Negative Prompt”?",
      "imagine.toml: [options.negative] bind: “Negative Prompt.text” names several inputs. Use one of #2.text,"
      " #3.text."]),
    ("a circle", graph("Checkpoint", lambda it, ids: it["inputs"].update(extra=[ids["Sampler"], 0])),
     ["imagine.toml: its nodes form a cycle: Sampler (#4), Checkpoint (#1). Remove one of these links in ComfyUI."]),
    ("an output that saves nothing", text('["Save Image"]', '["Sampler"]'),
     ["imagine.toml: outputs: “Sampler” only passes its result on and saves nothing. Name one of: Save Image."]),
    ("an option of what is not shown", graph("Sampler", lambda it, _ids: it["inputs"].update(latent_image=0)),
     [f"imagine.toml: [options.{name}] bind: “Canvas” (#7) doesn't feed any output, so this has no effect. Bind"
      " it elsewhere, or add an output." for name in ("width", "height", "count")]),
    ("no such output", text('["Save Image"]', '["Save Imag"]'),
     ["imagine.toml: outputs: no node is titled “Save Imag”. Did you mean “Save Image”?"]),
    ("an unknown kind of output", text('["Save Image"]', '[{ node = "Save Image", kind = "film" }]'),
     ["imagine.toml: outputs: must be one of: images, video, animation, audio, text, model3d."]),
    ("a preset of nothing", added('[presets.a]\ntitle = "A"\nvalues = { stps = 3 }'),
     ["imagine.toml: [presets.a]: there is no option “stps”. Did you mean “steps”?"]),
    ("a preset out of range", added('[presets.a]\ntitle = "A"\nvalues = { steps = 300 }'),
     ["imagine.toml: [presets.a] steps: must be at most 60, not 300."]),
    ("a next step that is not there", added('[actions.a]\nlabel = "A"\nworkflow = "upscal"\ninput = "image"'),
     ["imagine.toml: [actions.a] workflow: there is no command “upscal”. Did you mean “upscale”?"]),
    ("a next step into no picture", added('[actions.a]\nlabel = "A"\nworkflow = "upscale"\ninput = "factor"'),
     ["imagine.toml: [actions.a] input: “factor” is not a file option of “upscale”. Available: image."]),
    ("a wrong key of access", added('[access]\nrole = "x"'),
     ["imagine.toml: [access] role: “role” is unknown. Did you mean “roles”?"]),
    ("requirements without a list", added('[requires]\nmodels = { ckpt = "x" }'),
     ["imagine.toml: [requires] models: “ckpt” must look like “CheckpointLoaderSimple.ckpt_name”."]),
    ("a bypass of nothing", text("[options.negative]", '[options.negative]\nbypass = "Decod"'),
     ["imagine.toml: [options.negative] bypass: no node is titled “Decod”. Did you mean “Decode”?"]),
    ("a change that makes no sense", text('bind = "Sampler.seed"', 'bind = { to = "Sampler.seed", scale = 2 }'),
     ["imagine.toml: [options.seed] bind: this kind of option can't have “scale”. Allowed: offset."]),
    ("the bot's own command", text("schema = 1", 'schema = 1\ncommand = "queue"'),
     ["imagine.toml: command: “queue” is one of the bot's own commands. Choose another name."]),
    ("half a graph", written("imagine.json", "{"), ["imagine.json: is not valid JSON (line 1, column 2)."]),
    ("no TOML", written(FILE, "schema = ["), ["imagine.toml: is not valid TOML: Invalid value (at end of document)."]),
    ("the other format", written("imagine.json", '{"nodes": [], "links": [], "version": 0.4}'),
     ["imagine.json: is a UI-format workflow, which only ComfyUI's editor can read. In ComfyUI, use Workflow → Export"
      " (API). In older versions, enable “Dev mode options” in the settings and use “Save (API Format)”."]),
    ("no graph", lambda folder: (folder / "imagine.json").unlink(),
     ["imagine.toml: its graph “imagine.json” is missing. Export it in ComfyUI with Workflow → Export (API), and save"
      " it in the same folder."]),
    ("no manifest", lambda folder: (folder / FILE).unlink(),
     ["imagine.json: has no manifest, so the options of /imagine are guessed. To choose them yourself, write"
      " “imagine.toml”: `python -m bot import` drafts one."]),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("imagine", "upscale"):
        for ending in ("json", "toml"):
            shutil.copy(SHIPPED / f"{name}.{ending}", tmp_path)
    text_of = (tmp_path / FILE).read_text(encoding="utf-8")
    (tmp_path / FILE).write_text(text_of.split("[actions.")[0], encoding="utf-8")
    return tmp_path


def lines(folder: Path) -> list[str]:
    settings = Settings(_env_file=None, workflows_dir=folder)  # type: ignore[call-arg]  # pydantic-settings' own parameter
    return asyncio.run(check_command(settings, [], online=False))


def test_without_a_fault_nothing_is_said(folder: Path) -> None:
    assert lines(folder) == []


@pytest.mark.parametrize(("seed", "expected"), [entry[1:] for entry in OFFLINE], ids=[entry[0] for entry in OFFLINE])
def test_each_fault_is_told_with_file_key_and_cure(folder: Path, seed: Seed, expected: list[str]) -> None:
    seed(folder)
    assert lines(folder) == expected
    assert "upscale" in Catalog.load(folder).workflows, "the others go on"


# ------------------------------------------------------------------ against a server


def known(**changes: Any) -> Definitions:
    return replace(definitions(), nodes={**definitions().nodes, **changes})


def without(class_type: str) -> Definitions:
    return replace(definitions(), nodes={k: v for k, v in definitions().nodes.items() if k != class_type})


STOCK = definitions().nodes
DECODE = STOCK["VAEDecode"]
ONLINE: list[tuple[str, Definitions, str]] = [
    ("a missing class", without("VAEDecode"),
     "needs the node “VAEDecode”, which no connected ComfyUI server has (used by “Decode” (#5)). Install Other Pack."),
    ("an input that the class lacks", known(EmptyLatentImage=node("EmptyLatentImage", width=whole(16, 4096))),
     "the option “height” fills “height” of “Canvas”, but no connected ComfyUI server has that input. Export the"
     " workflow again."),
    ("an input that the graph lacks", known(VAEDecode=replace(DECODE, inputs={**DECODE.inputs, "tile": whole(0, 9)})),
     "“Decode” (#5) lacks the input “tile”, which ComfyUI requires. Export the workflow again."),
    ("a value out of range", known(KSampler=replace(STOCK["KSampler"],
                                                    inputs={**STOCK["KSampler"].inputs, "denoise": whole(0, 0)})),
     "“denoise” of “Sampler” (#4) is 1, but ComfyUI accepts 0 to 0. Change it in ComfyUI and export again, or bind"
     " an option to it."),
    ("a default out of range", known(KSampler=replace(STOCK["KSampler"],
                                                      inputs={**STOCK["KSampler"].inputs, "steps": whole(1, 10)})),
     "the default of option “steps” must be at most 10, not 20."),
    ("an empty list", definitions(checkpoints=()),
     "the option “checkpoint” has no choices: no connected ComfyUI server offers"
     " “CheckpointLoaderSimple.ckpt_name”. Add such a file to a server, or correct “from”."),
    ("a link of another type", known(VAEDecode=replace(DECODE, outputs=("MASK",)),
                                     SaveImage=replace(STOCK["SaveImage"],
                                                       inputs={**STOCK["SaveImage"].inputs,
                                                               "images": InputDefinition("IMAGE")})),
     "“images” of “Save Image” (#6) takes IMAGE, but “Decode” (#5) outputs MASK. Connect another output to it in"
     " ComfyUI."),
    ("an output that is none", known(SaveImage=replace(STOCK["SaveImage"], is_output=False)),
     "outputs: “Save Image” doesn't save or show anything. Name a node that does, such as Save Image."),
]  # fmt: skip


@pytest.mark.parametrize(("server", "expected"), [entry[1:] for entry in ONLINE], ids=[entry[0] for entry in ONLINE])
def test_what_a_server_lacks_is_told_with_its_cure(server: Definitions, expected: str) -> None:
    other = replace(definitions(), nodes={"VAEDecode": replace(DECODE, pack="Other Pack")})
    workflow = Catalog.load(SHIPPED).workflows["imagine"]
    assert expected in [str(each) for each in check(workflow, server, {"gpu2": other})]


def test_a_model_that_another_server_has_or_that_is_called_alike() -> None:
    workflow = Catalog.load(SHIPPED).workflows["imagine"]
    manifest = workflow.manifest.model_copy(
        update={"options": {k: v for k, v in workflow.manifest.options.items() if k != "checkpoint"}}
    )
    fixed = replace(
        workflow, manifest=manifest, bindings={k: v for k, v in workflow.bindings.items() if k != "checkpoint"}
    )
    wanted = str(workflow.own_value("checkpoint"))
    near = definitions(checkpoints=(wanted.replace(".", "_."),))
    assert "Did you mean" in str(check(fixed, near)[0])
    there = definitions(checkpoints=(wanted,))
    assert str(check(fixed, near, {"gpu2": there})[0]).endswith("Available on: gpu2.")
    assert check(fixed, there) == []
    listed = known(CheckpointLoaderSimple=node("CheckpointLoaderSimple", ckpt_name=combo("a", "b")))
    assert "Add the file to a server" in str(check(fixed, listed)[0])
