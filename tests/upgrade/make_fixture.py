"""Makes the folder `of_0ebfb46`: what the bot of commit 0ebfb46 leaves when it is killed in the middle of its work.

It was run at that commit, in its checkout, with this package beside it:

    uv run python -m tests.upgrade.make_fixture

The real bot ran as a process between the wire-level Discord and two stand-in ComfyUIs; nothing was written by hand.
Run at another commit it would make what that one leaves, which is another fixture: give it another folder.
Addresses and tokens of that run are replaced by names, so that the test can put its own in their place.
"""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from bot.sandbox.comfyui import ServerState, StandIn
from tests.faults.databases import sqlite_url
from tests.faults.single_process import installed
from tests.upgrade.discord_record import recorded
from tests.upgrade.left_behind import COMFYUI, FOLDER, SPARE
from tests.upgrade.past import PATRONS, Past


async def make(folder: Path) -> None:
    """Let the past happen in a folder, kill the bot, and keep what it left."""
    state = ServerState(seconds_per_step=0.0, plain=True)
    async with installed(folder, sqlite_url(folder), 0, state=state) as house, StandIn(ServerState()) as spare:
        house.wire.guild.roles.append(PATRONS)
        house.wire.state.rate_limits = False
        await house.start()
        await house.acquainted()
        past = Past(house, spare, folder / "comfycord.db")
        await past.happens()
        await house.kill()
        _keep(past, folder)


def _keep(past: Past, folder: Path) -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    (FOLDER / "database.sql").write_text(_anonymous(past, _dumped(past.database)), encoding="utf-8")
    for name in ("results", "instance-1.id", "commands.json"):
        _copy(folder / "data" / name, FOLDER / "kept" / name)
    _write("discord.json", recorded(past.house.wire))
    _write("jobs.json", _jobs(past))
    _write("running.json", _prompt(past))


def _dumped(path: Path) -> str:
    with sqlite3.connect(path) as database:
        text = "\n".join(database.iterdump())
    database.close()
    return text + "\n"


def _anonymous(past: Past, text: str) -> str:
    text = text.replace(past.house.comfy.url, COMFYUI).replace(past.spare.url, SPARE)
    for interaction in past.house.wire.world.interactions.values():
        text = text.replace(interaction.token, f"token-of-{interaction.id}")
    return text


def _jobs(past: Past) -> dict[str, Any]:
    """Return, for each job, what its test must know of it."""
    return {
        name: {"user_id": asked.origin.user.id, "message_id": asked.message.id if asked.message else 0}
        for name, asked in past.jobs.items()
    }


def _prompt(past: Past) -> dict[str, Any]:
    """Return the prompt with which ComfyUI is busy, as it was posted."""
    seen = past.house.comfy.state.seen
    prompt_id = seen.prompts[-2]
    return {"prompt_id": prompt_id, "prompt": seen.graphs[prompt_id]}


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)


def _write(name: str, content: dict[str, Any]) -> None:
    (FOLDER / name).write_text(json.dumps(content, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(make(Path(temporary)))
