"""The table of refusals: by status and code, whatever class discord.py makes of them."""

import asyncio
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.ui.messages.discord_errors import (
    Meaning,
    RefusedError,
    asking_discord,
    meaning_of,
    refusal_of,
)


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (401, 50027, Meaning.TOKEN_DEAD),
        (404, 10015, Meaning.TOKEN_DEAD),
        (401, 0, Meaning.TOKEN_DEAD),
        (404, 10008, Meaning.MESSAGE_GONE),
        (404, 0, Meaning.MESSAGE_GONE),
        (404, 10003, Meaning.PLACE_GONE),
        (404, 10004, Meaning.PLACE_GONE),
        (403, 50001, Meaning.FORBIDDEN),
        (403, 50013, Meaning.FORBIDDEN),
        (403, 0, Meaning.FORBIDDEN),
        (413, 40005, Meaning.TOO_LARGE),
        (413, 50045, Meaning.TOO_LARGE),
        (400, 50045, Meaning.TOO_LARGE),
        (413, 0, Meaning.TOO_LARGE),
        (429, 30046, Meaning.PASSING),
        (429, 0, Meaning.PASSING),
        (408, 0, Meaning.PASSING),
        (500, 0, Meaning.PASSING),
        (503, 50035, Meaning.PASSING),
        (400, 40094, Meaning.USED_UP),
        (400, 50083, Meaning.ARCHIVED),
        (400, 160005, Meaning.LOCKED),
        (403, 50007, Meaning.NO_DIRECT_MESSAGES),
        (403, 50278, Meaning.NO_DIRECT_MESSAGES),
        (400, 40003, Meaning.NO_DIRECT_MESSAGES),
        (400, 50035, Meaning.OURS),
        (400, 200000, Meaning.OURS),
        (400, 0, Meaning.OURS),
    ],
)
def test_status_and_code_say_what_it_means(status: int, code: int, meaning: Meaning) -> None:
    assert meaning_of(status, code) is meaning
    response: Any = SimpleNamespace(status=status, reason="")
    for kind in (discord.HTTPException, discord.NotFound, discord.Forbidden):
        refusal = refusal_of(kind(response, {"code": code, "message": "no"}))
        assert (refusal.meaning, refusal.status, refusal.code) == (meaning, status, code)


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), RuntimeError("Session is closed")])
def test_broken_connections_pass(error: Exception) -> None:
    assert refusal_of(error).meaning is Meaning.PASSING


def test_a_mistake_of_ours_is_not_tried_for_ever() -> None:
    assert refusal_of(ValueError("maximum number of children exceeded")).meaning is Meaning.OURS


async def test_what_takes_too_long_passes() -> None:
    with pytest.raises(RefusedError) as caught:
        async with asking_discord(0.01):
            await asyncio.sleep(5)
    assert caught.value.meaning is Meaning.PASSING


async def test_a_refusal_keeps_its_meaning_on_the_way_up() -> None:
    with pytest.raises(RefusedError) as caught:
        async with asking_discord(1.0):
            raise RefusedError(Meaning.LOCKED)
    assert caught.value.meaning is Meaning.LOCKED
