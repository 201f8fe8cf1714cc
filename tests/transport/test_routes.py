"""The ways to a job's message: the interaction's token, the bot's own, and what is left when Discord refuses either."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from bot.sandbox.comfyui import ServerState, StandIn
from bot.ui.locale import Languages
from tests.transport.conftest import Stage, is_over, playing, until
from tests.transport.test_process import running
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

TOKEN_EDIT = r"PATCH .*/webhooks"
GONE = (401, 403, 404)


def edits_sent(wire: WireDiscord, route: str = "/") -> list[int]:
    """Return the statuses of all requests that edit a message by a route, oldest first."""
    return [entry.status for entry in wire.requests if entry.method == "PATCH" and entry.template.startswith(route)]


@pytest.mark.parametrize("after", [False, True], ids=["request lost", "answer lost"])
async def test_a_last_edit_that_breaks_off_is_sent_again(stage: Stage, after: bool) -> None:
    fault = stage.wire.state.drop(TOKEN_EDIT, after=after)
    job = await stage.order()
    await until(lambda: 200 in edits_sent(stage.wire))
    message = await stage.ended(job)
    assert fault.hits == 1
    assert len(message.attachments) == 1
    assert stage.comfy.state.seen.requests["POST /prompt"] == 1


async def test_a_last_edit_outlives_two_broken_connections(stage: Stage) -> None:
    fault = stage.wire.state.drop(TOKEN_EDIT, times=2)
    message = await stage.ended(await stage.order(), 20.0)
    assert fault.hits == 2
    assert len(message.attachments) == 1


async def test_a_private_answer_is_never_edited_through_the_channel(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.02
    job = await stage.order(force_ephemeral=True)
    assert job.message is not None
    assert job.message.is_ephemeral
    job.expire()
    await until(lambda: 401 in edits_sent(stage.wire, "/webhooks"))
    assert (await stage.ended(await stage.order())).attachments, "the bot goes on"
    assert edits_sent(stage.wire, "/channels") == []


async def test_a_public_answer_is_edited_through_the_channel_when_its_token_is_dead(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.02
    job = await stage.order()
    job.expire()
    assert (await stage.ended(job)).attachments
    assert edits_sent(stage.wire, "/channels")[-1] == 200


async def test_a_token_that_is_nearly_over_is_not_used_any_more(stage: Stage) -> None:
    job = await stage.order(age=870.0)
    assert (await stage.ended(job)).attachments
    assert job.edits[-1].via == "bot"
    assert edits_sent(stage.wire, "/webhooks") == []


@pytest.mark.parametrize("size_limit", [60_000, 10 * 1024 * 1024], ids=["fitted", "far below the limit"])
async def test_a_picture_that_discord_finds_too_large_is_sent_smaller(stage: Stage, size_limit: int) -> None:
    options = {"prompt": "noise", "seed": "7", "width": 512, "height": 512}
    [whole] = (await stage.ended(await stage.order(options=options, size_limit=size_limit))).attachments
    fault = stage.wire.state.fail(TOKEN_EDIT, 413, 40005)
    message = await stage.ended(await stage.order(options=options, size_limit=size_limit))
    assert fault.hits == 1
    [smaller] = message.attachments
    assert len(smaller.data) < len(whole.data)


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
@pytest.mark.parametrize(("status", "code"), [(400, 50035), (401, 0), (403, 0), (404, 0)])
async def test_a_refused_token_does_not_leave_the_message_waiting(
    stage: Stage, status: int, code: int, times: int | None
) -> None:
    fault = stage.wire.state.fail(TOKEN_EDIT, status, code, times=times)
    message = await stage.ended(await stage.order())
    assert fault.hits >= 1
    assert message.attachments or "Discord rejected the result" in message.text
    if status in GONE:
        assert message.attachments


async def test_a_private_message_whose_result_is_refused_says_so(stage: Stage) -> None:
    fault = stage.wire.state.fail(TOKEN_EDIT, 400, 50035)
    message = await stage.ended(await stage.order(force_ephemeral=True), 8.0)
    assert fault.hits == 1
    assert message.attachments or "Discord rejected the result" in message.text


@pytest.mark.parametrize("status", [401])
async def test_a_token_that_was_refused_is_not_tried_for_progress_again(stage: Stage, status: int) -> None:
    stage.comfy.state.seconds_per_step = 0.15
    fault = stage.wire.state.fail(TOKEN_EDIT, status, times=None)
    job = await stage.order(options={"prompt": "x", "steps": 30})
    assert (await stage.ended(job)).attachments
    assert 1 <= fault.hits <= 2, "one progress edit, and perhaps the last one"


@pytest.mark.parametrize("status", [403])
async def test_progress_ends_with_the_first_refusal_of_all_ways(stage: Stage, status: int) -> None:
    stage.comfy.state.seconds_per_step = 0.15
    job = await stage.order(options={"prompt": "x", "steps": 30})
    assert job.message is not None
    fault = stage.wire.state.fail(rf"PATCH .*({re.escape(job.token)}|{job.message.id})", status, times=None)
    await until(lambda: stage.comfy.state.seen.frames["execution_success"], 15.0)
    stage.comfy.state.seconds_per_step = 0.0
    await stage.ended(await stage.order())
    assert 1 <= fault.hits <= 4, "a progress edit and the last one, by two ways each"


async def test_progress_shows_a_preview_and_the_end_only_the_result(stage: Stage) -> None:
    stage.comfy.state.seconds_per_step = 0.15
    job = await stage.order()
    message = await stage.ended(job)
    *progress, last = job.edits
    shown = [edit for edit in progress if "preview.jpg" in edit.files]
    assert shown
    assert all(edit.files == ("preview.jpg",) for edit in shown)
    assert "preview.jpg" not in last.files
    assert "preview.jpg" not in last.uploaded
    assert len(message.attachments) == 1


async def test_after_an_invalid_session_the_bot_comes_back_where_it_was_told(tmp_path: Path) -> None:
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0)) as comfy,
        running(wire, comfy.url, tmp_path),
    ):
        await until(lambda: comfy.state.seen.sockets_open)
        await wire.gateway.invalidate()
        await wire.ready(timeout=20.0)
        assert wire.counters.identifies == 2
        job = await wire.slash("imagine", {"prompt": "x"})
        assert (await job.wait_for(is_over, 10.0)).attachments


def germans(folder: Path) -> Languages:
    """Return languages with one German sentence."""
    catalog = Catalog(locale="de")
    catalog.add("Queued – starting in a moment…", "Es geht gleich los.")
    target = folder / "de" / "LC_MESSAGES" / "comfycord.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_mo(file, catalog)
    return Languages(folder)


@pytest.mark.parametrize(
    ("guild", "member", "words"),
    [("de", "fr", "Es geht gleich los."), ("en-US", "de", "Queued – starting in a moment…")],
)
async def test_a_public_message_speaks_the_language_of_its_guild(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guild: str, member: str, words: str
) -> None:
    languages = germans(tmp_path / "locales")
    monkeypatch.setattr("bot.app.app.Languages", lambda: languages)
    async with (
        WireDiscord() as wire,
        StandIn(ServerState(seconds_per_step=0.0)) as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path) as stage,
    ):
        wire.guild.locale = guild
        job = await stage.order(locale=member)
        await stage.ended(job)
    assert words in job.edits[0].text
