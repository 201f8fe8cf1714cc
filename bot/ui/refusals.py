"""What Discord's refusals mean: one table, by HTTP status and JSON code, never by the class of an exception alone.

It says what a refusal is, not what to do about it: that differs between a progress edit and the end of a job.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto

import discord


class Meaning(Enum):
    """Why Discord did not do what it was asked."""

    TOKEN_DEAD = auto()
    """The interaction's token (or the bot's own) is not accepted any more."""
    MESSAGE_GONE = auto()
    PLACE_GONE = auto()
    """The channel or the server is gone."""
    FORBIDDEN = auto()
    """A permission is missing."""
    LOCKED = auto()
    """The thread is locked."""
    ARCHIVED = auto()
    """The thread sleeps, and may be woken."""
    NO_REPLY = auto()
    """The bot may post, but not refer to another message."""
    USED_UP = auto()
    """This interaction takes no further messages."""
    NO_DIRECT_MESSAGES = auto()
    """This person does not want to be written to, or Discord does not want us to."""
    TOO_LARGE = auto()
    PASSING = auto()
    """Discord is in trouble, or we were too fast: the same request may succeed later."""
    OURS = auto()
    """The request itself is wrong, now and later."""


BY_CODE = {
    10003: Meaning.PLACE_GONE,
    10004: Meaning.PLACE_GONE,
    10008: Meaning.MESSAGE_GONE,
    10013: Meaning.NO_DIRECT_MESSAGES,
    10015: Meaning.TOKEN_DEAD,
    10062: Meaning.TOKEN_DEAD,
    30046: Meaning.PASSING,
    40003: Meaning.NO_DIRECT_MESSAGES,
    40005: Meaning.TOO_LARGE,
    40094: Meaning.USED_UP,
    50001: Meaning.FORBIDDEN,
    50007: Meaning.NO_DIRECT_MESSAGES,
    50013: Meaning.FORBIDDEN,
    50027: Meaning.TOKEN_DEAD,
    50035: Meaning.OURS,
    50045: Meaning.TOO_LARGE,
    50083: Meaning.ARCHIVED,
    50278: Meaning.NO_DIRECT_MESSAGES,
    160002: Meaning.NO_REPLY,
    160005: Meaning.LOCKED,
}
BY_STATUS = {
    401: Meaning.TOKEN_DEAD,
    403: Meaning.FORBIDDEN,
    404: Meaning.MESSAGE_GONE,
    408: Meaning.PASSING,
    413: Meaning.TOO_LARGE,
    429: Meaning.PASSING,
}
"""For codes that the first table does not know: a proxy before Discord answers without any."""

FINAL_STATUSES = {401, 403, 404}
"""Statuses after which the same request is not sent again: 10,000 of them in ten minutes are a ban."""


class RefusedError(Exception):
    """Discord did not do what it was asked; `meaning` says why, `code` and `status` are for logs."""

    def __init__(self, meaning: Meaning, text: str = "", *, status: int = 0, code: int = 0) -> None:
        super().__init__(text or meaning.name)
        self.meaning = meaning
        self.status = status
        self.code = code


def meaning_of(status: int, code: int) -> Meaning:
    """Look a refusal up."""
    if status >= 500:
        return Meaning.PASSING
    return BY_CODE.get(code) or BY_STATUS.get(status, Meaning.OURS)


def refusal_of(error: Exception) -> RefusedError:
    """Return what an exception of discord.py, or of the HTTP library that shines through it, means."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, discord.HTTPException):
        return RefusedError(meaning_of(error.status, error.code), text, status=error.status, code=error.code)
    if isinstance(error, TypeError | ValueError | LookupError | AttributeError):
        return RefusedError(Meaning.OURS, text)
    return RefusedError(Meaning.PASSING, text)  # time limits, broken connections, a session that is being closed


@contextmanager
def reading_refusals() -> Generator[None]:
    """Turn whatever goes wrong inside into a `RefusedError`."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:
        raise refusal_of(error) from error


@asynccontextmanager
async def asking_discord(seconds: float) -> AsyncGenerator[None]:
    """Limit the time of what is awaited inside, and turn whatever goes wrong into a `RefusedError`."""
    with reading_refusals():
        async with asyncio.timeout(seconds):
            yield
