"""The bot as its owner starts it: a process, its environment, its exit code and what it prints."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from bot.sandbox.comfyui import ServerState, StandIn
from tests.transport.conftest import WORKFLOWS, is_over, until
from tests.wire import WireDiscord

ROOT = WORKFLOWS.parent


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Return the environment of a fresh shell with these settings."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
    return kept | {"PYTHONPATH": str(ROOT), "WORKFLOWS_DIR": str(WORKFLOWS), "DATA_DIR": str(folder)} | settings


async def start(folder: Path, *arguments: str, **settings: str) -> asyncio.subprocess.Process:
    """Start `python -m bot` in `folder`, where there is no .env."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env=environment(folder, **settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def output(process: asyncio.subprocess.Process) -> str:
    """Return what it printed, once it has ended."""
    async with asyncio.timeout(20):
        printed, _ = await process.communicate()
    return printed.decode()


@asynccontextmanager
async def running(wire: WireDiscord, comfyui: str, folder: Path) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run the bot; whatever happens, its process is gone afterwards."""
    process = await start(
        folder,
        "run",
        DISCORD_TOKEN="wire-token",
        DISCORD_API_URL=wire.api_url,
        DISCORD_GUILD_IDS=str(wire.guild.id),
        COMFYUI_URLS=comfyui,
    )
    try:
        await wire.ready()
        await wire.commands()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.timeout(90)  # a whole process and twenty jobs, on two cores
async def test_twenty_members_at_once_get_the_right_pictures(tmp_path: Path) -> None:
    async with WireDiscord() as wire, StandIn(ServerState(seconds_per_step=0.004)) as comfy:
        async with running(wire, comfy.url, tmp_path):
            await until(lambda: comfy.state.seen.sockets_open)
            jobs = await asyncio.gather(
                *(
                    wire.slash("imagine", {"prompt": f"for {user}", "width": 64 + 8 * user, "height": 64}, user_id=user)
                    for user in range(1, 21)
                )
            )
            messages = await asyncio.gather(*(job.wait_for(is_over, 20.0) for job in jobs))
        for user, message in enumerate(messages, start=1):
            assert f"for {user}" in message.text
            with Image.open(BytesIO(message.attachments[0].data)) as picture:
                assert picture.size == (64 + 8 * user, 64)
        seen = comfy.state.seen
        assert (seen.sockets_opened, len(seen.prompts), seen.requests["GET /history"]) == (1, 20, 20)
        assert wire.counters.rate_limited == 0


async def test_it_stops_in_order_and_in_time(tmp_path: Path) -> None:
    async with WireDiscord() as wire, StandIn(ServerState(seconds_per_step=0.0)) as comfy:
        async with running(wire, comfy.url, tmp_path) as process:
            await until(lambda: comfy.state.seen.sockets_open)
            process.send_signal(signal.SIGTERM)
            printed = await output(process)
            assert process.returncode == 0, printed
            assert "Traceback" not in printed
        await until(lambda: comfy.state.seen.sockets_open == 0)


async def test_it_starts_without_comfyui_and_says_so(tmp_path: Path) -> None:
    async with WireDiscord() as wire:
        async with running(wire, "http://127.0.0.1:9", tmp_path) as process:
            job = await wire.slash("imagine", {"prompt": "x"})
            assert "offline" in job.text
            process.send_signal(signal.SIGTERM)
            printed = await output(process)
        assert "ComfyUI is offline; its jobs wait until it is back" in printed
        assert "Traceback" not in printed


async def test_its_log_is_json_when_machines_read_it(tmp_path: Path) -> None:
    process = await start(
        tmp_path, "run", DISCORD_TOKEN="x", LOG_FORMAT="json", DISCORD_API_URL="http://127.0.0.1:9/api/v10"
    )
    *records, sentence = (await output(process)).splitlines()
    assert [json.loads(record)["level"] for record in records] == ["info"] * len(records)
    assert records
    assert "Can't reach Discord" in sentence


async def test_the_stand_in_runs_alone_and_leaves_nothing_behind(tmp_path: Path) -> None:
    process = await start(tmp_path, "sandbox", "--port", "0", TMPDIR=str(tmp_path))
    assert process.stdout is not None
    async with asyncio.timeout(10):
        line = (await process.stdout.readline()).decode()
    [url] = re.findall(r"http://127\.0\.0\.1:\d+", line)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/system_stats") as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    await output(process)
    assert process.returncode == 0
    assert not os.listdir(tmp_path)  # noqa: PTH208


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "DISCORD_TOKEN is not set"),
        ({"DISCORD_TOKN": "x"}, "Did you mean DISCORD_TOKEN?"),
        ({"DISCORD_TOKEN": "x", "DISCORD_GUILD_IDS": "my server"}, "DISCORD_GUILD_IDS"),
        ({"DISCORD_TOKEN": "x", "COMFYUI_URLS": "127.0.0.1:8188"}, "http://"),
        ({"DISCORD_TOKEN": "x", "QUEUE_DEPTH": "0"}, 'QUEUE_DEPTH must be at least 1, not "0".'),
        ({"DISCORD_TOKEN": "x", "LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"DISCORD_TOKEN": "x", "DISCORD_API_URL": "http://127.0.0.1:9/api/v10"}, "Can't reach Discord"),
    ],
)
async def test_a_wrong_setting_is_one_sentence(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    process = await start(tmp_path, "run", **settings)
    printed = await output(process)
    assert process.returncode == 1
    assert words in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--role", "worker"), "--role worker needs PostgreSQL"),
        (("--role", "gateway", "--shards", "2/2"), "--shards 2/2 is not a valid set of shards"),
    ],
)
async def test_a_part_of_the_work_that_cannot_be_done_here_is_one_sentence(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    printed = await output(process := await start(tmp_path, "run", *options, DISCORD_TOKEN="x"))
    assert process.returncode == 1
    assert words in printed
    assert "Traceback" not in printed


async def test_a_misspelled_line_of_the_env_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("COMFYUI_URL=http://127.0.0.1:8188\n", encoding="utf-8")
    printed = await output(await start(tmp_path, "run"))
    assert "There is no setting COMFYUI_URL (.env line 1). Did you mean COMFYUI_URLS?" in printed


async def test_a_refused_token_is_one_sentence(tmp_path: Path) -> None:
    async with WireDiscord() as wire:
        wire.state.bot_token = "another"
        process = await start(tmp_path, "run", DISCORD_TOKEN="wire-token", DISCORD_API_URL=wire.api_url)
        printed = await output(process)
    assert process.returncode == 1
    assert "Discord rejected DISCORD_TOKEN" in printed
    assert "wire-token" not in printed


async def test_check_names_every_mistake(tmp_path: Path) -> None:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "broken.toml").write_text("schema = 1\ntitle = 3\n", encoding="utf-8")
    (folder / "ui.toml").write_text('schema = 1\ntitle = "x"\ndescription = "y"\n', encoding="utf-8")
    (folder / "ui.json").write_text('{"nodes": [], "links": [], "version": 0.4}', encoding="utf-8")
    process = await start(tmp_path, "check", WORKFLOWS_DIR=str(folder))
    printed = await output(process)
    assert process.returncode == 1
    assert "broken.toml" in printed
    assert "Export (API)" in printed
    process = await start(tmp_path, "check", str(WORKFLOWS / "imagine.toml"), "missing.toml")
    assert await output(process) == "missing: no such workflow.\n"


async def test_check_online_asks_the_server(tmp_path: Path) -> None:
    async with StandIn(ServerState(missing_classes={"ImageScaleBy"})) as comfy:
        process = await start(tmp_path, "check", "--online", COMFYUI_URLS=comfy.url)
        printed = await output(process)
    assert process.returncode == 1
    assert "gpu1: upscale" in printed
    assert "ImageScaleBy" in printed
    process = await start(tmp_path, "check", "--online", COMFYUI_URLS="http://127.0.0.1:9")
    assert "gpu1: no answer from http://127.0.0.1:9" in await output(process)
