"""Classifies Discord's errors by HTTP status and JSON code, never by exception class alone.

What to do about an error is up to the caller: that differs between a progress edit and the end of a job.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum, auto

import discord


class ErrorKind(Enum):
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
    TRANSIENT = auto()
    """An outage or a rate limit: the same request may succeed later."""
    BUG = auto()
    """A bug: the request itself is wrong, and will never succeed."""


BY_CODE = {
    10003: ErrorKind.PLACE_GONE,
    10004: ErrorKind.PLACE_GONE,
    10008: ErrorKind.MESSAGE_GONE,
    10013: ErrorKind.NO_DIRECT_MESSAGES,
    10015: ErrorKind.TOKEN_DEAD,
    10062: ErrorKind.TOKEN_DEAD,
    30046: ErrorKind.TRANSIENT,
    40003: ErrorKind.NO_DIRECT_MESSAGES,
    40005: ErrorKind.TOO_LARGE,
    40094: ErrorKind.USED_UP,
    50001: ErrorKind.FORBIDDEN,
    50007: ErrorKind.NO_DIRECT_MESSAGES,
    50013: ErrorKind.FORBIDDEN,
    50027: ErrorKind.TOKEN_DEAD,
    50035: ErrorKind.BUG,
    50045: ErrorKind.TOO_LARGE,
    50083: ErrorKind.ARCHIVED,
    50278: ErrorKind.NO_DIRECT_MESSAGES,
    160002: ErrorKind.NO_REPLY,
    160005: ErrorKind.LOCKED,
}
BY_STATUS = {
    401: ErrorKind.TOKEN_DEAD,
    403: ErrorKind.FORBIDDEN,
    404: ErrorKind.MESSAGE_GONE,
    408: ErrorKind.TRANSIENT,
    413: ErrorKind.TOO_LARGE,
    429: ErrorKind.TRANSIENT,
}
"""For responses without a known code, such as those of a proxy in front of Discord."""

FINAL_STATUSES = {401, 403, 404}
"""Statuses after which the same request is never repeated: Discord bans for 10,000 of them in ten minutes."""


class DiscordError(Exception):
    """Discord refused a request; `kind` says why, `code` and `status` are for logs."""

    def __init__(self, kind: ErrorKind, text: str = "", *, status: int = 0, code: int = 0) -> None:
        super().__init__(text or kind.name)
        self.kind = kind
        self.status = status
        self.code = code


def error_kind(status: int, code: int) -> ErrorKind:
    if status >= 500:
        return ErrorKind.TRANSIENT
    return BY_CODE.get(code) or BY_STATUS.get(status, ErrorKind.BUG)


def discord_error(error: Exception) -> DiscordError:
    """Classify an exception of discord.py or of its HTTP library, whose errors it lets through."""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, discord.HTTPException):
        return DiscordError(error_kind(error.status, error.code), text, status=error.status, code=error.code)
    if isinstance(error, TypeError | ValueError | LookupError | AttributeError):
        return DiscordError(ErrorKind.BUG, text)
    return DiscordError(ErrorKind.TRANSIENT, text)  # timeouts, lost connections, a closing session


@contextmanager
def translate_errors() -> Generator[None]:
    """Turn every exception raised inside into a `DiscordError`."""
    try:
        yield
    except DiscordError:
        raise
    except Exception as error:
        raise discord_error(error) from error


@asynccontextmanager
async def ask_discord(seconds: float) -> AsyncGenerator[None]:
    """Apply a timeout, and turn every exception raised inside into a `DiscordError`."""
    with translate_errors():
        async with asyncio.timeout(seconds):
            yield
