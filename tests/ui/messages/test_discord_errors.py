"""The table of refusals: by status and code, whatever class discord.py makes of them."""

import asyncio
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.ui.messages.discord_errors import (
    DiscordError,
    ErrorKind,
    ask_discord,
    discord_error,
    error_kind,
)


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (401, 50027, ErrorKind.TOKEN_DEAD),
        (404, 10015, ErrorKind.TOKEN_DEAD),
        (401, 0, ErrorKind.TOKEN_DEAD),
        (404, 10008, ErrorKind.MESSAGE_GONE),
        (404, 0, ErrorKind.MESSAGE_GONE),
        (404, 10003, ErrorKind.PLACE_GONE),
        (404, 10004, ErrorKind.PLACE_GONE),
        (403, 50001, ErrorKind.FORBIDDEN),
        (403, 50013, ErrorKind.FORBIDDEN),
        (403, 0, ErrorKind.FORBIDDEN),
        (413, 40005, ErrorKind.TOO_LARGE),
        (413, 50045, ErrorKind.TOO_LARGE),
        (400, 50045, ErrorKind.TOO_LARGE),
        (413, 0, ErrorKind.TOO_LARGE),
        (429, 30046, ErrorKind.TRANSIENT),
        (429, 0, ErrorKind.TRANSIENT),
        (408, 0, ErrorKind.TRANSIENT),
        (500, 0, ErrorKind.TRANSIENT),
        (503, 50035, ErrorKind.TRANSIENT),
        (400, 40094, ErrorKind.USED_UP),
        (400, 50083, ErrorKind.ARCHIVED),
        (400, 160005, ErrorKind.LOCKED),
        (403, 50007, ErrorKind.NO_DIRECT_MESSAGES),
        (403, 50278, ErrorKind.NO_DIRECT_MESSAGES),
        (400, 40003, ErrorKind.NO_DIRECT_MESSAGES),
        (400, 50035, ErrorKind.BUG),
        (400, 200000, ErrorKind.BUG),
        (400, 0, ErrorKind.BUG),
    ],
)
def test_status_and_code_say_what_it_means(status: int, code: int, meaning: ErrorKind) -> None:
    assert error_kind(status, code) is meaning
    response: Any = SimpleNamespace(status=status, reason="")
    for kind in (discord.HTTPException, discord.NotFound, discord.Forbidden):
        refusal = discord_error(kind(response, {"code": code, "message": "no"}))
        assert (refusal.kind, refusal.status, refusal.code) == (meaning, status, code)


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), RuntimeError("Session is closed")])
def test_broken_connections_pass(error: Exception) -> None:
    assert discord_error(error).kind is ErrorKind.TRANSIENT


def test_a_mistake_of_ours_is_not_tried_for_ever() -> None:
    assert discord_error(ValueError("maximum number of children exceeded")).kind is ErrorKind.BUG


async def test_what_takes_too_long_passes() -> None:
    with pytest.raises(DiscordError) as caught:
        async with ask_discord(0.01):
            await asyncio.sleep(5)
    assert caught.value.kind is ErrorKind.TRANSIENT


async def test_a_refusal_keeps_its_meaning_on_the_way_up() -> None:
    with pytest.raises(DiscordError) as caught:
        async with ask_discord(1.0):
            raise DiscordError(ErrorKind.LOCKED)
    assert caught.value.kind is ErrorKind.LOCKED
