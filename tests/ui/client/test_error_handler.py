"""What a member reads when a command fails, and what the owner finds in the log about it."""

import logging
import re
from pathlib import Path

import discord
import pytest
from discord import app_commands

from bot.errors import BotError, InputError, LimitError
from bot.i18n import _
from bot.sandbox.comfyui import StandIn
from bot.ui.client.error_handler import explain_error
from tests.transport.conftest import Stage, playing
from tests.wire import WireDiscord
from tests.wire.bots import pointed_at

SECRET = "/srv/secret/path at 10.0.0.7"


def reference_in(text: str) -> str:
    """Return the reference that a sentence names."""
    [reference] = re.findall(r"\b[0-9a-f]{8}\b", text)
    return reference


def test_a_fault_of_ours_shows_a_reference_and_is_logged_with_it(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError(SECRET)
    sentence = str(explain_error(error))
    assert "secret" not in sentence
    assert "RuntimeError" not in sentence
    [record] = [entry for entry in caplog.records if reference_in(sentence) in entry.getMessage()]
    assert record.levelno >= logging.ERROR
    assert record.exc_info is not None
    assert record.exc_info[1] is error


def test_every_fault_has_its_own_reference() -> None:
    assert reference_in(str(explain_error(KeyError("a")))) != reference_in(str(explain_error(KeyError("a"))))


@pytest.mark.parametrize("kind", [BotError, InputError, LimitError])
def test_an_expected_error_shows_its_sentence_and_is_not_logged_as_a_fault(
    kind: type[BotError], caplog: pytest.LogCaptureFixture
) -> None:
    sentence = _("{option} is too large.", option="width")
    assert explain_error(kind(sentence)) == sentence
    assert not [entry for entry in caplog.records if entry.levelno >= logging.ERROR]


def test_a_failed_check_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert "don't have permission" in str(explain_error(app_commands.CheckFailure(SECRET)))
    assert "secret" not in str(explain_error(app_commands.CheckFailure(SECRET)))
    assert not caplog.records


async def with_failing_command(stage: Stage, error: Exception, *, answered: bool) -> None:
    """Register `/break`, which raises `error`, and has answered before when told so."""

    @stage.app.bot.tree.command(name="break", description="Breaks")
    async def _break(interaction: discord.Interaction) -> None:  # pyright: ignore[reportUnusedFunction] # decorated
        if answered:
            await interaction.response.send_message("One moment")
        raise error

    stage.app.bot.tree.copy_global_to(guild=discord.Object(stage.wire.guild.id))
    await stage.app.bot.tree.sync(guild=discord.Object(stage.wire.guild.id))


@pytest.mark.parametrize("answered", [False, True], ids=["not answered", "answered"])
@pytest.mark.parametrize(
    ("error", "words"),
    [(RuntimeError(SECRET), "reference"), (LimitError(_("Wait a minute, @everyone.")), "Wait a minute")],
    ids=["unexpected", "expected"],
)
async def test_only_the_member_reads_about_a_failed_command(
    tmp_path: Path, error: Exception, words: str, answered: bool
) -> None:
    async with (
        WireDiscord() as wire,
        StandIn() as comfy,
        pointed_at(wire),
        playing(wire, comfy, tmp_path) as stage,
    ):
        await with_failing_command(stage, error, answered=answered)
        job = await wire.slash("break")
        await wire.world.changes.until(lambda: bool(job.followups) or not answered, 5.0, "a follow-up")
        message = job.followups[0] if answered else job.message
    assert message is not None
    assert message.is_ephemeral
    assert words in message.text
    assert "secret" not in message.text
