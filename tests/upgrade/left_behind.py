"""Puts what the bot of commit 0ebfb46 left into a fresh folder, as if that bot had been killed a while ago.

The rest is the world around it: the Discord with the messages of then, and a ComfyUI that was not idle meanwhile.
"""

import json
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.requests import is_over
from tests.transport.conftest import Stage, playing, until
from tests.upgrade.discord_record import restored
from tests.wire import WireDiscord, WireInteraction, WireMessage
from tests.wire.bots import pointed_at

FOLDER = Path(__file__).parent / "of_0ebfb46"
COMFYUI, SPARE = "http://gpu.invalid", "http://spare.invalid"
"""What stands for the addresses of the two servers."""
NOBODY = "http://127.0.0.1:9"
"""Where the spare server was, and nothing listens now."""
AWAY = 1200.0
"""Seconds for which nothing ran: all tokens are over."""
TIMES = {
    "job": ("created", "started", "finished", "not_before", "token_expires", "progress_at", "charged_at"),
    "account": ("used_at", "waits_since", "banned_until"),
    "guild": ("used_at",),
    "job_class": ("used_at",),
    "server": ("lease_until", "last_seen"),
    "usage": ("at",),
    "event": ("at",),
    "pause": ("at", "until"),
}
"""The columns of then that hold seconds since the epoch."""
HALF_LIFE = 3600.0
"""Seconds in which a score of then, which is a logarithm, grows by one."""


@dataclass
class Upgraded:
    """The present bot, at work on what was left; messages are known by the names of their jobs."""

    stage: Stage
    jobs: dict[str, dict[str, int]]
    prompt_id: str
    """Of the prompt that ComfyUI went on with while the bot was away."""

    @property
    def wire(self) -> WireDiscord:
        """Discord."""
        return self.stage.wire

    @property
    def comfy(self) -> StandIn:
        """The ComfyUI that is left."""
        return self.stage.comfy

    def user(self, name: str) -> int:
        """Return who asked for a job."""
        return self.jobs[name]["user_id"]

    def message(self, name: str) -> WireMessage:
        """Return the message of a job: the one that stood there before."""
        return self.wire.world.messages[self.jobs[name]["message_id"]]

    async def press(self, name: str, button: str, user_id: int = 0) -> WireInteraction:
        """Press the old button with this beginning below a message; as the member who asked, unless told otherwise."""
        message = self.message(name)
        custom_id = next(each for each in message.buttons if each.startswith(button))
        return await self.wire.component(message, custom_id, user_id=user_id or self.user(name))

    async def ended(self, name: str, ends: Callable[[WireMessage], bool] = is_over) -> WireMessage:
        """Return the message of a job as soon as it shows the end, or what else counts as one."""
        message = self.message(name)
        await self.wire.world.changes.until(lambda: ends(message), 10.0, f"the end of {name!r}: {message.text!r}")
        return message

    async def says(self, command: str, user_id: int = 1, **options: Any) -> str:
        """Return what a command is answered with; without a user, to the owner of the guild."""
        answer = await self.wire.slash(command, options, user_id=user_id)
        return (await answer.wait_for(lambda message: bool(message.text))).text

    def prompts(self) -> list[str]:
        """Return the words of all prompts that ComfyUI ever got, in their order."""
        seen = self.comfy.state.seen
        return [_words(seen.graphs[prompt_id]) for prompt_id in seen.prompts]


@asynccontextmanager
async def upgraded(folder: Path, *, seconds_per_step: float = 0.0) -> AsyncGenerator[Upgraded]:
    """Start the present bot on what was left; ComfyUI still has the one prompt with which it was busy."""
    prompt = _read("running.json")
    record = _read("discord.json")
    async with (
        restored(record, age=AWAY) as wire,
        StandIn(ServerState(seconds_per_step=seconds_per_step, plain=True)) as comfy,
        pointed_at(wire),
    ):
        wire.state.rate_limits = False  # how often messages are edited is looked at elsewhere
        unpack(folder, comfy.url)
        await _busy(comfy, prompt)
        async with playing(wire, comfy, folder) as stage:
            yield Upgraded(stage, _read("jobs.json"), prompt["prompt_id"])


async def _busy(comfy: StandIn, prompt: dict[str, Any]) -> None:
    """Let ComfyUI have a prompt, and be done with it if it is quick."""
    async with aiohttp.ClientSession() as session, session.post(f"{comfy.url}/prompt", json=prompt) as answer:
        assert answer.status == 200, await answer.text()
    if not comfy.state.seconds_per_step:
        await until(lambda: comfy.state.seen.runs)


def unpack(folder: Path, comfyui: str = COMFYUI) -> Path:
    """Fill a folder with what was left; return the path of the database."""
    shutil.copytree(FOLDER / "kept", folder, dirs_exist_ok=True)
    text = (FOLDER / "database.sql").read_text(encoding="utf-8")
    path = folder / "comfycord.db"
    with sqlite3.connect(path) as database:
        database.executescript(text.replace(COMFYUI, comfyui).replace(SPARE, NOBODY))
        _age(database, _read("discord.json")["at"])
    database.close()
    return path


def _age(database: sqlite3.Connection, left_at: float) -> None:
    """Let it be `AWAY` seconds ago that the bot was killed."""
    later = time.time() - AWAY - left_at
    for table, columns in TIMES.items():
        for column in columns:
            database.execute(f'UPDATE "{table}" SET "{column}" = "{column}" + ? WHERE "{column}" > 0', (later,))  # noqa: S608
    for table in ("account", "guild"):
        database.execute(f"UPDATE {table} SET score = score + ? WHERE score > 0", (later / HALF_LIFE,))  # noqa: S608


def _words(graph: dict[str, Any]) -> str:
    texts = [str(node["inputs"]["text"]) for node in graph.values() if "text" in node["inputs"]]
    return texts[0] if texts else ""


def _read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))
