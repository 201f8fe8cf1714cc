"""Classifies Discord's errors by HTTP status and JSON code, never by exception class alone.

What to do about an error is up to the caller: that differs between a progress edit and the end of a job.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto

import discord


class Meaning(Enum):
    """Why Discord refused a request."""

    TOKEN_DEAD = auto()
    """The interaction's token (or the bot's own) has expired or is invalid."""
    MESSAGE_GONE = auto()
    PLACE_GONE = auto()
    """The channel or the guild no longer exists."""
    FORBIDDEN = auto()
    """A permission is missing."""
    LOCKED = auto()
    """The thread is locked."""
    ARCHIVED = auto()
    """The thread is archived, and can be reopened."""
    NO_REPLY = auto()
    """The bot may post, but not reply to another message."""
    USED_UP = auto()
    """The interaction accepts no further messages."""
    NO_DIRECT_MESSAGES = auto()
    """The user or Discord blocks direct messages from the bot."""
    TOO_LARGE = auto()
    PASSING = auto()
    """An outage or a rate limit: the same request may succeed later."""
    OURS = auto()
    """A bug: the request itself is wrong, and will never succeed."""


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
"""For responses without a known code, such as those of a proxy in front of Discord."""

FINAL_STATUSES = {401, 403, 404}
"""Statuses after which the same request is never repeated: Discord bans for 10,000 of them in ten minutes."""


class RefusedError(Exception):
    """Discord refused a request; `meaning` says why, `code` and `status` are for logs."""

    def __init__(self, meaning: Meaning, text: str = "", *, status: int = 0, code: int = 0) -> None:
        super().__init__(text or meaning.name)
        self.meaning = meaning
        self.status = status
        self.code = code


def meaning_of(status: int, code: int) -> Meaning:
    if status >= 500:
        return Meaning.PASSING
    return BY_CODE.get(code) or BY_STATUS.get(status, Meaning.OURS)


def refusal_of(error: Exception) -> RefusedError:
    """Classify an exception of discord.py or of its HTTP library, whose errors it lets through."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, discord.HTTPException):
        return RefusedError(meaning_of(error.status, error.code), text, status=error.status, code=error.code)
    if isinstance(error, TypeError | ValueError | LookupError | AttributeError):
        return RefusedError(Meaning.OURS, text)
    return RefusedError(Meaning.PASSING, text)  # timeouts, lost connections, a closing session


@contextmanager
def reading_refusals() -> Generator[None]:
    """Turn every exception raised inside into a `RefusedError`."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:
        raise refusal_of(error) from error


@asynccontextmanager
async def asking_discord(seconds: float) -> AsyncGenerator[None]:
    """Apply a timeout, and turn every exception raised inside into a `RefusedError`."""
    with reading_refusals():
        async with asyncio.timeout(seconds):
            yield
