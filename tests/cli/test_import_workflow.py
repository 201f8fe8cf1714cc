"""`python -m bot import`: what an owner has of a workflow becomes a command, or a sentence."""

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.__main__ import main
from bot.cli.import_workflow import (
    KnownNodes,
    WorkflowImporter,
    known_from_file,
    known_from_servers,
)
from bot.clock import SystemClock
from bot.comfy.server import ComfyServer
from bot.sandbox.comfyui import ServerState, StandIn
from bot.settings import Settings
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.catalog import Catalog
from bot.workflow.run.events import InputFile
from bot.workflow.run.prepare import prepare
from tests.comfy.runs import run
from tests.workflow.importer.samples import OBJECT_INFO, PAIRS
from tests.workflow.samples import NODES, SHIPPED

NOBODY = "http://127.0.0.1:9"


class Terminal:
    """An import into one folder, and what it printed."""

    def __init__(self, folder: Path, known: KnownNodes) -> None:
        self.out: list[str] = []
        self.err: list[str] = []
        self._command = WorkflowImporter(folder, lambda: known, say=self.out.append, complain=self.err.append)

    def run(self, *files: Path) -> int:
        return self._command.run(files)


def known(object_info: dict[str, Any] | None = None) -> KnownNodes:
    info = OBJECT_INFO if object_info is None else object_info
    return KnownNodes(info, Definitions.parse(info))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "workflows"


@pytest.fixture
def terminal(folder: Path) -> Terminal:
    return Terminal(folder, known())


def saved(file: Path, value: object) -> Path:
    file.write_text(json.dumps(value, indent=3), encoding="utf-8")
    return file


def picture(file: Path, **texts: object) -> Path:
    info = PngInfo()
    for name, value in texts.items():
        info.add_text(name, json.dumps(value))
    data = BytesIO()
    Image.new("RGB", (4, 4)).save(data, "PNG", pnginfo=info)
    file.write_bytes(data.getvalue())
    return file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_an_export_stays_as_it_is_and_gets_a_manifest(tmp_path: Path, folder: Path, terminal: Terminal) -> None:
    file = saved(tmp_path / "My Portrait.json", NODES)
    assert terminal.run(file) == 0
    assert names(folder) == ["my_portrait.json", "my_portrait.toml"]
    assert (folder / "my_portrait.json").read_bytes() == file.read_bytes()
    catalog = Catalog.load(folder)
    assert (tuple(catalog.workflows), catalog.problems) == (("my_portrait",), ())


def test_it_prints_the_command_before_anybody_uses_it(tmp_path: Path, terminal: Terminal) -> None:
    terminal.run(saved(tmp_path / "portrait.json", NODES))
    printed = "\n".join(terminal.out)
    assert "/portrait: Generate an image from text" in printed
    assert "prompt      text     required" in printed
    assert "width       integer  512 (64 to 2048)" in printed
    assert "seed        seed     random" in printed


def test_a_file_of_the_editor_is_converted(tmp_path: Path, folder: Path, terminal: Terminal) -> None:
    assert terminal.run(saved(tmp_path / "a.json", PAIRS["hand_string_ids"]["ui"])) == 0
    assert Catalog.load(folder).problems == ()


@pytest.mark.parametrize("texts", [{"prompt": NODES}, {"workflow": PAIRS["hand_string_ids"]["ui"]}])
def test_a_picture_gives_its_workflow(
    tmp_path: Path, folder: Path, terminal: Terminal, texts: dict[str, object]
) -> None:
    assert terminal.run(picture(tmp_path / "out_00001_.png", **texts)) == 0
    assert names(folder) == ["out_00001.json", "out_00001.toml"]
    assert Catalog.load(folder).problems == ()


@pytest.mark.parametrize("wrapped", [{"prompt": NODES, "client_id": "x"}, {**NODES, "extra": {"ds": 1}}])
def test_what_programs_put_around_the_nodes_is_left_out(
    tmp_path: Path, folder: Path, terminal: Terminal, wrapped: dict[str, Any]
) -> None:
    assert terminal.run(saved(tmp_path / "a.json", wrapped)) == 0
    assert json.loads((folder / "a.json").read_text(encoding="utf-8")) == NODES


def test_refused_files_are_a_line_each_and_the_others_go_on(tmp_path: Path, folder: Path, terminal: Terminal) -> None:
    (tmp_path / "empty.json").touch()
    (tmp_path / "text.json").write_text("hello", encoding="utf-8")
    files = [
        tmp_path / "gone.json",
        tmp_path / "empty.json",
        tmp_path / "text.json",
        saved(tmp_path / "list.json", [1]),
        picture(tmp_path / "bare.png"),
        tmp_path,
        saved(tmp_path / "good.json", NODES),
    ]
    assert terminal.run(*files) == 6
    assert [line.split(":")[0] for line in terminal.err] == [file.name for file in files[:6]]
    assert all("\n" not in line for line in terminal.err)
    assert names(folder) == ["good.json", "good.toml"]


def test_nothing_is_ever_overwritten(tmp_path: Path, folder: Path, terminal: Terminal) -> None:
    file = saved(tmp_path / "a.json", NODES)
    terminal.run(file)
    before = (folder / "a.toml").read_bytes()
    assert terminal.run(file) == 1
    (folder / "b.json").write_text("{}", encoding="utf-8")
    assert terminal.run(saved(tmp_path / "b.json", NODES)) == 1
    assert all("already exists" in line for line in terminal.err)
    assert (folder / "a.toml").read_bytes() == before
    assert names(folder) == ["a.json", "a.toml", "b.json"]


def test_a_graph_that_lies_in_the_folder_gets_its_manifest(folder: Path, terminal: Terminal) -> None:
    folder.mkdir()
    assert terminal.run(saved(folder / "a.json", NODES)) == 0
    assert names(folder) == ["a.json", "a.toml"]


def test_half_a_pair_is_never_left(tmp_path: Path, folder: Path, terminal: Terminal) -> None:
    folder.mkdir()
    (folder / "a.toml").symlink_to(tmp_path / "elsewhere")
    assert terminal.run(saved(tmp_path / "a.json", NODES)) == 1
    assert names(folder) == ["a.toml"]
    assert not (tmp_path / "elsewhere").exists()


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path, folder: Path, terminal: Terminal) -> None:
    terminal.run(saved(tmp_path / "..\\..\\evil.json", NODES), saved(tmp_path / "queue.json", NODES))
    assert names(folder) == ["evil.json", "evil.toml", "queue_workflow.json", "queue_workflow.toml"]


def test_without_a_server_only_files_of_the_editor_are_refused(tmp_path: Path, folder: Path) -> None:
    terminal = Terminal(folder, known({}))
    ui = saved(tmp_path / "ui.json", PAIRS["hand_string_ids"]["ui"])
    assert terminal.run(ui, saved(tmp_path / "api.json", NODES)) == 1
    assert "--object-info" in terminal.err[0]
    assert "No ComfyUI server reachable" in "\n".join(terminal.out)


def test_saved_definitions_are_read_packed_and_plain(tmp_path: Path) -> None:
    plain, packed = saved(tmp_path / "info.json", OBJECT_INFO), tmp_path / "info.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert known_from_file(plain).object_info == known_from_file(packed).object_info == OBJECT_INFO


@pytest.mark.parametrize("content", [b"{}", b"nonsense", b"\x1f\x8bbroken", json.dumps(NODES).encode()])
def test_definitions_that_are_none_end_it_with_a_sentence(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "info.json"
    file.write_bytes(content)
    assert main(["import", str(file), "--into", str(tmp_path / "w"), "--object-info", str(file)]) == 1
    assert "info.json" in capsys.readouterr().err


def test_the_command_line_says_how_it_went(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    info = saved(tmp_path / "info.json", OBJECT_INFO)
    arguments = ["--into", str(tmp_path / "w"), "--object-info", str(info)]
    assert main(["import", str(saved(tmp_path / "a.json", NODES)), *arguments]) == 0
    assert main(["import", str(tmp_path / "gone.json"), *arguments]) == 1
    printed = capsys.readouterr()
    assert "/a: " in printed.out
    assert printed.err.startswith("gone.json: ")


# ------------------------------------------------------------------ with a server


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    async with StandIn(ServerState(seconds_per_step=0.0)) as server:
        yield server


async def asked(*urls: str) -> KnownNodes:
    settings = Settings(comfyui_urls=urls, _env_file=None)  # pyright: ignore[reportCallIssue]
    return await asyncio.to_thread(known_from_servers, settings)


async def test_servers_tell_their_nodes_and_those_that_are_away_do_not_matter(standin: StandIn) -> None:
    learnt = await asked(NOBODY, standin.url)
    assert "KSampler" in learnt.object_info
    assert learnt.definitions.choices("CheckpointLoaderSimple.ckpt_name")
    assert (await asked(NOBODY)).object_info == {}


@pytest.mark.parametrize("name", ["imagine", "upscale"])
async def test_what_was_imported_runs(standin: StandIn, tmp_path: Path, folder: Path, name: str) -> None:
    learnt = await asked(standin.url)
    assert Terminal(folder, learnt).run(SHIPPED / f"{name}.json") == 0
    workflow = Catalog.load(folder).workflows[name]
    given: dict[str, object] = {"prompt": "a fox", "steps": 2} if "prompt" in workflow.manifest.options else {}
    async with aiohttp.ClientSession() as session:
        server = ComfyServer(
            name="gpu1", url=standin.url, session=session, clock=SystemClock(), random=random.Random(1)
        )
        await server.start()
        await server.wait_online()
        try:
            if "image" in workflow.manifest.options:
                given["image"] = InputFile("in.png", picture(tmp_path / "in.png").read_bytes(), 4, 4)
            spec = prepare(workflow, given, definitions=learnt.definitions, random=random.Random(1))
            for upload in spec.uploads:
                stored = await server.upload(upload.file)
                for target in upload.targets:
                    spec.graph[target.node_id]["inputs"][target.input_name] = stored
            result = await run(server, spec.graph)
        finally:
            await server.close()
    assert result.failure is None
    assert [ref.node_id for ref in result.outputs] == list(spec.outputs)
