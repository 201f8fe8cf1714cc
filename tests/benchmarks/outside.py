"""The other process of the benchmarks: Discord, ComfyUI and the members, so that this one is the bot alone."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot.app import App, load_catalog
from bot.installation import opened
from bot.settings import Settings

WORKFLOWS = Path(__file__).parent.parent.parent / "workflows"
TOKEN = "bench-token"


class Outside:
    """The process with Discord, ComfyUI and the member."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._in, self._out = process, process.stdin, process.stdout
        self.where: dict[str, Any] = {}
        """Addresses: of Discord, its guild and channel, and of ComfyUI."""

    async def line(self) -> Any:
        """Return its next answer."""
        text = await self._out.readline()
        if not text:
            raise SystemExit("the process with Discord and ComfyUI broke off")
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
async def outside() -> AsyncIterator[Outside]:
    """Start the other process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.theatre", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    other = Outside(process)
    try:
        other.where = await other.line()
        yield other
    finally:
        await other.end()


@asynccontextmanager
async def working_bot(other: Outside) -> AsyncIterator[App]:
    """Let the bot work in this process, as its owner would start it: with a database file and safe writes."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
            discord_token=TOKEN,
            discord_api_url=other.where["discord"],
            discord_guild_ids=(other.where["guild"],),
            comfyui_urls=(other.where["comfyui"],),
            database_url=f"sqlite:///{folder}/comfycord.db",
            data_dir=Path(folder),
        )
        async with opened(settings) as installation:
            app = App(settings, load_catalog(WORKFLOWS), installation)
            connection = asyncio.create_task(app.bot.start(TOKEN))
            try:
                await other.do(do="ready")
                yield app
            finally:
                await app.bot.close()
                await connection
