"""A database of commit 0ebfb46, with jobs in every state and old buttons in the channel, goes on under this code."""

import re
import sqlite3
from collections import Counter
from pathlib import Path

from bot.app.resources import open_resources
from bot.settings import Settings
from tests.faults.requests import is_over, sizes
from tests.transport.conftest import until
from tests.upgrade.left_behind import FOLDER, Upgraded, unpack, upgraded
from tests.upgrade.past import PAINTER, PATRONS, PRIVATE, RESTING, SMALL
from tests.wire import WireMessage

CANCEL, SHOW_RESULT, VARY, CHOOSE = "cc:cancel:", "cc:show:", "cc:next:1:", "cc:again"
"""How the custom ids of 0ebfb46 begin. Messages keep them for years."""
ENLARGING = ""
"""The words of a prompt that has none, as that of the paused workflow."""
SQUARE, ATTACHED = (64, 64), (72, 64)
AT_WORK = 0.25
"""Seconds for a step; the prompt with which ComfyUI is busy has sixty, so something can be pressed meanwhile."""
PARTS = [[(64 + number, 64) for number in range(first, min(first + 10, 21))] for first in (0, 10, 20)]
"""The 21 images of one job, in three messages."""
IN_PLACE = {"commands.json", "instance-1.id", "comfycord.db"}
"""Files that were there before; results have a folder."""


# ------------------------------------------------------------------ the database


async def columns_of_a_database(folder: Path) -> dict[str, set[str]]:
    """Let the present code open a database, or make one; return the columns of its tables."""
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own parameter
        data_dir=folder,
        database_url=f"sqlite:///{folder / 'comfycord.db'}",
    )
    async with open_resources(settings):
        pass
    return {table: set(columns) for table, (columns, _rows) in contents(folder / "comfycord.db").items()}


def contents(path: Path) -> dict[str, tuple[list[str], list[sqlite3.Row]]]:
    """Return columns and rows of all tables."""
    with sqlite3.connect(path) as database:
        database.row_factory = sqlite3.Row
        tables = [str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {table: database.execute(f'SELECT * FROM "{table}"') for table in tables}  # noqa: S608
        read = {table: ([column[0] for column in rows.description], rows.fetchall()) for table, rows in found.items()}
    database.close()
    return read


async def test_it_gets_the_schema_of_a_new_database_and_keeps_every_row(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    before = contents(unpack(old))
    assert await columns_of_a_database(old) == await columns_of_a_database(new)
    after = contents(old / "comfycord.db")
    for table in before.keys() - {"comfycord_version"}:
        columns, rows = before[table]
        kept = Counter(tuple(row[column] for column in columns) for row in after[table][1])
        assert kept == Counter(tuple(row) for row in rows), table


async def test_everything_stays_where_it_was_in_the_data_folder(tmp_path: Path) -> None:
    async with upgraded(tmp_path):
        pass
    before, after = files_of(FOLDER / "kept"), files_of(tmp_path)
    assert {name for name in after if "/" not in name and not name.endswith(".lock")} == IN_PLACE
    assert {name for name, data in before.items() if after[name] != data} <= {"commands.json"}


def files_of(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder by their names from there."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ------------------------------------------------------------------ jobs


async def test_what_was_under_way_comes_to_its_end_in_its_old_message(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        for name in ("delivering", "running", "next", "queued"):
            assert sizes(await it.ended(name)) == [SQUARE], name
        assert sizes(await it.ended("with a picture")) == [ATTACHED]
        assert "Please run the command again" in (await it.ended("held")).text
        await until(lambda: posted_parts(it) == PARTS)
        assert it.comfy.state.seen.prompts.count(it.prompt_id) == 1
        asked = Counter(it.prompts())
        assert asked["running"] == asked["next"] == asked["queued"] == asked["with a picture"] == 1
        assert asked.keys().isdisjoint({"done", "failed", "cancelled", "kept", "delivering", "half posted"})


def posted_parts(it: Upgraded) -> list[list[tuple[int, int]]]:
    """Return the images of each message of the job whose result was half posted, in their order."""
    first = it.message("half posted")
    more = [message for message in it.wire.world.messages.values() if message.reference == first.id]
    return [sizes(first), *(sizes(message) for message in more)]


async def test_what_had_ended_is_not_touched_and_found_in_the_history(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        await it.ended("queued")
        for name in ("done", "failed", "cancelled", "kept"):
            assert it.message(name).edits == [], name
        history = await it.wire.slash("history", user_id=PAINTER)
        for sign, name in (("✅", "done"), ("❌", "failed"), ("🚫", "cancelled")):
            assert f"/{it.message(name).id})" in entry(history.text, sign), name
        assert "the sampler met a fault" in entry(history.text, "❌")
        assert "Ready – open it below" in await it.says("history", PRIVATE)


def entry(history: str, sign: str) -> str:
    """Return what the history says of the one job with this sign."""
    _before, after = history.split(sign)
    return re.split("✅|❌|🚫", after)[0]


async def test_what_is_paused_waits_until_it_is_resumed(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        for name in ("queued", "to be cancelled", "with a picture", "next"):
            await it.ended(name)
        assert {"member paused", ENLARGING}.isdisjoint(it.prompts()), "it was their turn, had they not been paused"
        await it.says("moderate resume", member=RESTING)
        assert sizes(await it.ended("member paused")) == [SQUARE]
        [choice] = await it.wire.autocomplete("moderate resume", "what", "upscale", user_id=1)
        await it.says("moderate resume", what=choice["value"])
        assert sizes(await it.ended("paused")) == [(144, 128)]


# ------------------------------------------------------------------ old buttons


async def test_cancel_ends_what_waits_and_what_runs(tmp_path: Path) -> None:
    async with upgraded(tmp_path, seconds_per_step=AT_WORK) as it:
        for name in ("to be cancelled", "running"):
            await it.press(name, CANCEL)
            await it.ended(name, lambda message: "Cancelled." in message.text)
        assert it.comfy.state.seen.interrupts == [it.prompt_id]
        assert "to be cancelled" not in it.prompts()


async def test_show_result_brings_what_nobody_could_see(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        await until(lambda: it.wire.direct_messages(PRIVATE))
        [told] = it.wire.direct_messages(PRIVATE)
        assert "private" in told.text, "of the other one they were told before"
        for name in ("kept", "private"):
            await it.press(name, SHOW_RESULT)
            assert sizes(await it.ended(name)) == [SQUARE]
            assert not [each for each in it.message(name).buttons if each.startswith((SHOW_RESULT, CANCEL))]


async def test_next_step_goes_on_with_the_kept_picture(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        varied = await it.press("done", VARY, user_id=500)
        message = await varied.wait_for(is_over, 10.0)
        assert message.id != it.message("done").id
        assert sizes(message) == [SQUARE]
        assert it.prompts().count("done") == 1


async def test_an_old_history_still_shows_a_result(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        history = next(each for each in it.wire.world.messages.values() if CHOOSE in each.buttons)
        [option] = history.buttons[CHOOSE]["options"]
        shown = await it.wire.component(history, CHOOSE, values=[option["value"]], user_id=PAINTER)
        assert sizes(await shown.wait_for(has_files)) == [SQUARE]
        assert shown.message is not None
        assert shown.message.is_ephemeral


def has_files(message: WireMessage) -> bool:
    return bool(message.attachments)


# ------------------------------------------------------------------ decisions


async def test_moderators_find_what_they_decided(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        paused = await it.says("moderate paused")
        assert "`/upscale`" in paused
        assert "a new model comes" in paused
        assert f"<@{RESTING}>" in paused
        assert "forty at once" in paused
        roles = await it.says("moderate roles")
        assert f"<@&{PATRONS.id}>" in roles
        assert "priority ×2.5, up to 3 running, 44 images/day" in roles


async def test_members_find_what_they_used(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        account = await it.wire.slash("me", user_id=PAINTER, roles=[PATRONS.id])
        assert "1 of 44 images" in account.text
        assert "×2.5" in account.text
        assert "0.1 GPU minutes, 1 image" in await it.says("moderate member", member=PRIVATE)


async def test_the_guild_has_its_servers_workflows_defaults_and_limits(tmp_path: Path) -> None:
    async with upgraded(tmp_path) as it:
        servers = await it.says("server list")
        assert "**gpu1**" in servers
        assert "🔧 **spare**" in servers
        assert "outpaint" not in it.wire.world.commands.by_name()
        assert "this Discord server: off" in await it.says("workflow list", workflow="outpaint")
        assert "1016" in await it.says("imagine", prompt="too wide", width=1024)
        new = await it.wire.slash("imagine", {"prompt": "new", **SMALL, "steps": 1})
        assert "cfg 6.5" in (await new.wait_for(is_over, 10.0)).text
