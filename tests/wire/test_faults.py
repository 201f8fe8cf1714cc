"""The fake as a bad day meets a bot: expiry, refusals, rate limits, lost answers, lost rights."""

import asyncio
import io
import time

import aiohttp
import discord
import pytest

from tests.wire import Rate, WireDiscord, WireMessage
from tests.wire.bots import TOKEN, Trial, TrialBot, running
from tests.wire.places import MEMBER_PERMISSIONS, SEND_MESSAGES, VIEW_CHANNEL

EDIT = r"PATCH .*/webhooks/"


async def say_and_edit(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("said")
    await interaction.edit_original_response(content="edited")


async def said(trial: Trial, **where: object) -> WireMessage:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("said", ephemeral=bool(where.get("force_ephemeral")))

    job, outcome = await trial.probe(act, **where)
    await outcome
    assert job.message is not None
    return job.message


def partial(trial: Trial, message: WireMessage) -> discord.PartialMessage:
    return trial.bot.get_partial_messageable(message.channel.id).get_partial_message(message.id)


async def test_429_is_waited_for_and_repeated(trial: Trial) -> None:
    body = {"message": "You are being rate limited.", "retry_after": 0.05, "global": False}
    fault = trial.wire.state.fail(EDIT, 429, body=body)
    await trial.result(say_and_edit)
    assert fault.hits == 1
    assert [record.status for record in trial.wire.requests if record.method == "PATCH"] == [429, 200]
    assert trial.wire.counters.rate_limited == 0


async def test_discord_py_keeps_within_the_bucket_of_a_token(trial: Trial) -> None:
    trial.wire.state.webhook_rate = Rate(3, 0.3)

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        for number in range(7):
            await interaction.edit_original_response(content=str(number))

    job, outcome = await trial.probe(act)
    await outcome
    assert trial.wire.counters.rate_limited == 0
    assert job.edits[-1].at - job.edits[1].at >= 0.5


async def test_full_bucket_answers_429(wire: WireDiscord) -> None:
    wire.state.channel_rate = Rate(2, 0.2)
    url = f"{wire.api_url}/channels/{wire.guild.channels[0].id}/messages"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {TOKEN}"}) as session:
        for remaining in ("1", "0"):
            async with session.post(url, json={"content": "hi"}) as response:
                assert (response.status, response.headers["X-RateLimit-Remaining"]) == (200, remaining)
        async with session.post(url, json={"content": "hi"}) as response:
            refusal = await response.json()
            assert (response.status, response.content_type) == (429, "application/json")
            assert response.headers["Via"]
        await asyncio.sleep(refusal["retry_after"])
        async with session.post(url, json={"content": "hi"}) as response:
            assert response.status == 200
    assert (wire.counters.rate_limited, wire.counters.invalid_requests) == (1, 1)


async def test_refused_upload_does_not_break_the_connection(trial: Trial) -> None:
    body = {"message": "You are being rate limited.", "retry_after": 0.01, "global": False}
    trial.wire.state.fail(EDIT, 429, body=body, times=2)

    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(attachments=[discord.File(io.BytesIO(bytes(9_000_000)), "big.png")])

    job, outcome = await trial.probe(act)
    await outcome
    assert job.message is not None
    assert len(job.message.attachments[0].data) == 9_000_000


async def test_edits_of_old_messages_are_rationed(trial: Trial) -> None:
    trial.wire.state.old_edit_rate = Rate(1, 0.2)
    message = await said(trial)
    message.created = time.time() - 3700
    await partial(trial, message).edit(content="one")
    await partial(trial, message).edit(content="two")
    assert trial.wire.counters.rate_limited >= 1
    assert message.text == "two"


async def test_too_many_invalid_requests_are_a_ban(trial: Trial) -> None:
    trial.wire.state.ban_after = 1
    trial.wire.counters.invalid_requests = 1
    with pytest.raises(discord.HTTPException) as caught:
        await trial.bot.get_partial_messageable(trial.wire.guild.channels[0].id).send("hi")
    assert caught.value.status == 429


async def test_server_errors_are_repeated_by_discord_py(trial: Trial) -> None:
    trial.wire.state.fail(EDIT, 503, body="upstream connect error")
    job, outcome = await trial.probe(say_and_edit)
    await outcome
    assert job.text == "edited"


async def test_expired_token(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("said")
        trial.wire.world.tokens[interaction.token].expire()
        await interaction.edit_original_response(content="late")

    job, outcome = await trial.probe(act)
    with pytest.raises(discord.HTTPException) as caught:
        await outcome
    assert (type(caught.value), caught.value.status, caught.value.code) == (discord.HTTPException, 401, 50027)
    assert trial.wire.counters.invalid_requests == 1
    assert job.message is not None
    await partial(trial, job.message).edit(content="by the bot's own token")
    assert [edit.via for edit in job.edits] == ["callback", "bot"]


async def test_token_lives_for_the_configured_time(trial: Trial) -> None:
    trial.wire.state.token_seconds = 0.0
    with pytest.raises(discord.HTTPException, match="50027"):
        await trial.result(say_and_edit)


async def test_revoked_webhook(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("said")
        trial.wire.world.tokens[interaction.token].revoke()
        await interaction.edit_original_response(content="late")

    with pytest.raises(discord.NotFound, match="10015"):
        await trial.result(act)


async def test_late_answer(trial: Trial) -> None:
    trial.wire.state.ack_seconds = 0.0
    with pytest.raises(discord.NotFound, match="10062"):
        await trial.result(say_and_edit)


async def test_second_answer(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        trial.wire.state.drop(r"/callback", after=True)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await interaction.response.defer()
        await interaction.response.defer()

    job, outcome = await trial.probe(act)
    with pytest.raises(discord.HTTPException, match="40060"):
        await outcome
    assert job.response_type == 5


async def test_edit_before_the_answer(trial: Trial) -> None:
    async def act(interaction: discord.Interaction) -> None:
        await interaction.edit_original_response(content="early")

    with pytest.raises(discord.NotFound, match="10015"):
        await trial.result(act)


@pytest.mark.parametrize("takes_effect", [False, True])
async def test_cut_connection(trial: Trial, takes_effect: bool) -> None:
    trial.wire.state.drop(EDIT, after=takes_effect)
    job, outcome = await trial.probe(say_and_edit)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await outcome
    assert job.text == ("edited" if takes_effect else "said")


async def test_delay(trial: Trial) -> None:
    trial.wire.state.delay(EDIT, 0.1, after=True)
    started = time.monotonic()
    await trial.result(say_and_edit)
    assert time.monotonic() - started >= 0.1


async def test_deleted_message(trial: Trial) -> None:
    message = await said(trial)
    message.delete()
    with pytest.raises(discord.NotFound, match="10008"):
        await partial(trial, message).edit(content="anyone?")


async def test_ephemeral_message_is_out_of_reach_of_the_bot_token(trial: Trial) -> None:
    message = await said(trial, force_ephemeral=True)
    with pytest.raises(discord.NotFound, match="10008"):
        await partial(trial, message).edit(content="anyone?")


@pytest.mark.parametrize(("taken", "code"), [(VIEW_CHANNEL, "50001"), (SEND_MESSAGES, "50013")])
async def test_missing_rights(trial: Trial, taken: int, code: str) -> None:
    channel = trial.wire.guild.channels[0]
    channel.app_permissions = MEMBER_PERMISSIONS & ~taken
    with pytest.raises(discord.Forbidden, match=code):
        await trial.bot.get_partial_messageable(channel.id).send("hi")


async def test_direct_messages(trial: Trial) -> None:
    user = await trial.bot.fetch_user(trial.wire.world.user(77).id)
    await user.send("hi", file=discord.File(__file__))
    [message] = trial.wire.messages_in(trial.wire.world.dm_with(77))
    assert message.attachments[0].name == "test_faults.py"
    trial.wire.state.closed_dms.add(77)
    with pytest.raises(discord.Forbidden, match="50007"):
        await user.send("hi")


async def test_history_and_deletion_by_bot_token(trial: Trial) -> None:
    channel = trial.bot.get_channel(trial.wire.guild.channels[0].id)
    assert isinstance(channel, discord.TextChannel)
    sent = await channel.send("mine")
    assert [message.content async for message in channel.history()] == ["mine"]
    await sent.delete()
    assert not trial.wire.messages_in(trial.wire.guild.channels[0])


async def test_daily_command_creates_run_out(trial: Trial) -> None:
    trial.wire.state.daily_command_creates = 3
    await trial.bot.tree.sync()
    trial.wire.state.daily_command_creates = 2
    trial.bot.tree.copy_global_to(guild=discord.Object(trial.wire.guild.id))
    with pytest.raises(discord.HTTPException, match="30034"):
        await trial.bot.tree.sync(guild=discord.Object(trial.wire.guild.id))


async def test_wrong_bot_token(wire: WireDiscord) -> None:
    wire.state.bot_token = "another"
    with pytest.raises(discord.LoginFailure):
        async with running(wire, TrialBot()):
            pass
