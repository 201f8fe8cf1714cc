"""The other processes of the benchmarks: Discord, ComfyUI and the members, so that this one is the bot alone."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bot.app.app import App, load_catalog
from bot.app.gc_tuning import freeze_startup_objects
from bot.app.resources import open_resources
from bot.jobs.repository import JobRepository
from bot.settings import Settings
from tests.paths import WORKFLOWS

TOKEN = "bench-token"
LONGEST_LINE = 64 * 1024 * 1024
"""Bytes of one answer."""


class Outside:
    """A process that carries out commands: with Discord, ComfyUI and the member, or with a part of that."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._in, self._out = process, process.stdin, process.stdout
        self.where: dict[str, Any] = {}
        """What it said first: addresses of Discord, its guild and channel, and of ComfyUI."""

    async def line(self) -> Any:
        """Return its next answer."""
        text = await self._out.readline()
        if not text:
            raise SystemExit("a process with Discord or ComfyUI broke off")
        return json.loads(text)

    async def do(self, **command: Any) -> Any:
        """Send a command and return its answer."""
        self._in.write(json.dumps(command).encode() + b"\n")
        await self._in.drain()
        return await self.line()

    async def end(self) -> None:
        """Let it end."""
        self._in.close()
        await self.process.wait()


@asynccontextmanager
async def outside(module: str = "tests.benchmarks.environment", *arguments: str) -> AsyncGenerator[Outside]:
    """Start another process that runs this module."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    other = Outside(process)
    try:
        other.where = await other.line()
        yield other
    finally:
        await other.end()


@asynccontextmanager
async def working_bot(
    other: Outside,
    comfyuis: Sequence[str] = (),
    *,
    wrapped: Callable[[JobRepository], JobRepository] | None = None,
    **more: Any,
) -> AsyncGenerator[App]:
    """Let the bot work in this process, as its owner would start it: with a database file and safe writes.

    It works with the ComfyUI of `other`, or with those of these addresses, and with what `wrapped` makes of its store;
    `more` are further settings.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            discord_token=TOKEN,
            discord_api_url=other.where["discord"],
            discord_guild_ids=(other.where["guild"],),
            comfyui_urls=tuple(comfyuis) or (other.where["comfyui"],),
            database_url=f"sqlite:///{folder}/comfycord.db",
            data_dir=Path(folder),
            **more,
        )
        async with open_resources(settings) as resources:
            if wrapped is not None:
                resources = replace(resources, store=wrapped(resources.store))
            app = App(settings, load_catalog(WORKFLOWS), resources)
            with freeze_startup_objects():
                connection = asyncio.create_task(app.bot.start(TOKEN))
                try:
                    await other.do(do="ready")
                    yield app
                finally:
                    await app.bot.close()
                    await connection
