"""How fast workflows are at hand: `uv run python -m tests.benchmarks.bench_workflows`.

Prints how long a member who types waits for suggestions out of 10 and out of 10,000 models, over the wire and worked
out alone; and how long it takes from a workflow dropped into the folder, and from an edit of it, to the command that
Discord has. Everything runs in one process. Figures are for comparing within one run on one machine; nothing here
asserts them. The aims: suggestions within 50 ms, a command within 10 s.
"""

import asyncio
import gc
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bot.app.app import App, load_library
from bot.app.resources import open_resources
from bot.sandbox.comfyui import ServerState, StandIn
from bot.settings import Settings
from bot.ui.commands.autocomplete import INDEX_INTERVAL, Autocompleter
from bot.workflow.graph.definitions import Definitions
from bot.workflow.library.catalog import Catalog
from tests.transport.conftest import WORKFLOWS, until
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

MANY, FEW = 10_000, 10
WORDS = ("photo", "anime", "paint", "real", "dream", "mix", "light", "dark")
TYPED = ("", "d", "dr", "dream", "v99", "mix_4", "photo 17", "zzzz", "folder3/", "real light")
ROUNDS = 20
DROPS = 5


def names(count: int) -> list[str]:
    """Return names of models as communities have them: in folders, alike, and long."""
    return [
        f"folder{number % 13}/{WORDS[number % 8]}_{WORDS[number // 8 % 8]}_mix_v{number}.safetensors"
        for number in range(count)
    ]


def show(name: str, seconds: Sequence[float]) -> None:
    """Print one row, in milliseconds."""
    took = sorted(each * 1000 for each in seconds)
    p95 = took[int(len(took) * 0.95) - 1]
    sys.stdout.write(f"{name:<58} {len(took):>5} {statistics.median(took):>9.2f} {p95:>9.2f} {took[-1]:>9.2f}\n")
    sys.stdout.flush()


@asynccontextmanager
async def bot_on(wire: WireDiscord, comfy: StandIn, folder: Path, data: Path) -> AsyncGenerator[App]:
    """Run a bot that watches `folder`."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
        discord_token="wire-token",
        discord_api_url=wire.api_url,
        discord_guild_ids=(wire.guild.id,),
        comfyui_urls=(comfy.url,),
        data_dir=data,
        database_url=f"sqlite:///{data / 'comfycord.db'}",
    )
    async with open_resources(settings) as resources:
        app = App(settings, load_library(folder), resources)
        connection = asyncio.create_task(app.bot.start("wire-token"))
        try:
            await wire.ready()
            await wire.commands()
            await until(lambda: app.fleet.definitions().nodes)
            await asyncio.sleep(2 * INDEX_INTERVAL)  # lists are prepared in the background
            yield app
        finally:
            await app.bot.close()
            await connection


def alone(definitions: Definitions) -> list[float]:
    """Return the seconds that working out suggestions takes, without the first, which prepares the list."""
    option = Catalog.load(WORKFLOWS).workflows["imagine"].manifest.options["checkpoint"]
    autocompleter = Autocompleter(definitions=lambda: definitions)
    autocompleter.values(option, "")  # prepares the list
    took: list[float] = []
    for typed in TYPED * ROUNDS:
        began = time.perf_counter()
        autocompleter.values(option, typed)
        took.append(time.perf_counter() - began)
    return took


async def typing(wire: WireDiscord) -> tuple[list[float], list[float]]:
    """Return the seconds until the first answer and until each later one."""
    took: list[float] = []
    for typed in TYPED * ROUNDS:
        began = time.perf_counter()
        await wire.autocomplete("imagine", "checkpoint", typed, {"prompt": "a fox"})
        took.append(time.perf_counter() - began)
    return took[:1], took[1:]


async def dropping(wire: WireDiscord, folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds until Discord has a new command, and until it has its changed description."""
    graph, manifest = (WORKFLOWS / "imagine.json").read_bytes(), (WORKFLOWS / "imagine.toml").read_text("utf-8")
    new, changed = list[float](), list[float]()
    for number in range(DROPS):
        name = f"dropped{number}"
        began = time.perf_counter()
        (folder / f"{name}.json").write_bytes(graph)
        (folder / f"{name}.toml").write_text(manifest, encoding="utf-8")
        await _until_described(wire, name, "Generate an image from text")
        new.append(time.perf_counter() - began)
        began = time.perf_counter()
        text = manifest.replace('"Generate an image from text"', f'"Words {number}"')
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
        await _until_described(wire, name, f"Words {number}")
        changed.append(time.perf_counter() - began)
    return new, changed


async def _until_described(wire: WireDiscord, name: str, description: str) -> None:
    for _ in range(3000):
        command = (await wire.commands()).get(name)
        if command is not None and command["description"] == description:
            return
        await asyncio.sleep(0.02)
    raise SystemExit(f"/{name} did not become {description!r} within a minute")


async def main() -> None:
    """Print all figures."""
    gc.collect()
    gc.freeze()  # as the bot does at its start
    sys.stdout.write(f"{'milliseconds':<58} {'n':>5} {'median':>9} {'p95':>9} {'max':>9}\n")
    for count in (FEW, MANY):
        state = ServerState(seconds_per_step=0.0)
        state.models["checkpoints"] = names(count)
        with tempfile.TemporaryDirectory() as path:
            folder, data = Path(path) / "workflows", Path(path) / "data"
            shutil.copytree(WORKFLOWS, folder)
            async with (
                WireDiscord() as wire,
                StandIn(state) as comfy,
                pointed_at(wire),
                bot_on(wire, comfy, folder, data) as app,
            ):
                show(f"suggestions out of {count}, worked out alone", alone(app.fleet.definitions()))
                first, later = await typing(wire)
                show(f"suggestions out of {count}, over the wire, the first", first)
                show(f"suggestions out of {count}, over the wire", later)
                if count == MANY:
                    new, changed = await dropping(wire, folder)
                    show("from two files in the folder to the command", new)
                    show("from an edit to the changed command", changed)


if __name__ == "__main__":
    asyncio.run(main())
