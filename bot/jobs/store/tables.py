"""The tables. One description for both engines; `migrations` brings a database here, step by step.

Times are seconds since the epoch, what has structure is JSON text: neither engine's own types or functions are needed.
Columns that nothing writes yet belong to fair share, moderation and progress: a table that is full of jobs is a bad
place to find out about them.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TextClause,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

_SERIAL = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in a column that is called INTEGER."""


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _seconds(name: str) -> Column[float]:
    return Column(name, Double, nullable=False, server_default=text("0"))


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


job = Table(
    "job",
    metadata,
    Column("seq", _SERIAL, Identity(), primary_key=True),
    Column("id", Text, nullable=False, unique=True),
    Column("account_id", Text, nullable=False),
    Column("guild_id", BigInteger),
    Column("user_id", BigInteger, nullable=False),
    Column("requester", Text, nullable=False),
    Column("state", Text, nullable=False),
    _text("holder"),
    _text("cls"),
    _count("priority"),
    _seconds("created"),
    _seconds("started"),
    _seconds("finished"),
    _seconds("not_before"),
    _text("server"),
    _count("epoch"),
    _text("prompt_id"),
    _flag("posted"),
    _count("attempts"),
    _count("losses"),
    Column("interaction_id", BigInteger, nullable=False, unique=True),
    Column("application_id", BigInteger, nullable=False),
    Column("interaction_token", Text, nullable=False),
    _seconds("token_expires"),
    Column("channel_id", BigInteger, nullable=False),
    Column("message_id", BigInteger, nullable=False),
    _flag("bot_can_edit"),
    Column("upload_limit", BigInteger, nullable=False),
    _text("delivery", "none"),
    _count("tries"),
    _text("parts", "{}"),
    _flag("told"),
    _text("outputs", "[]"),
    Column("note", Text),
    Column("error", Text),
    Column("progress", Double),
    _seconds("progress_at"),
    Column("eta_s", Double),
    Column("cancel_requested", SmallInteger, nullable=False, server_default=text("0")),
    Column("cancel_by", BigInteger),
    Column("cancel_reason", Text),
    Column("cost_est", Double),
    Column("cost_used", Double),
    Column("spec", Text, nullable=False),
)

QUEUED: Final = text("state = 'queued'")
RUNNING: Final = text("state = 'running'")
WAITING: Final = text("state IN ('held', 'queued')")
IN_HAND: Final = text("(state IN ('running', 'delivering') OR delivery = 'pending')")
UNTOLD: Final = text("delivery = 'pending'")
ENDED: Final = text("state IN ('done', 'failed', 'cancelled')")
"""Queries use these very words: by them SQLite knows that a partial index will do.

A state that is a parameter would make it choose, and so compile, anew for each value.
"""


def _partial(name: str, condition: TextClause, *columns: Column[Any]) -> None:
    Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


_partial("job_next", QUEUED, job.c.priority, job.c.seq)
_partial("job_waiting", WAITING, job.c.user_id)
_partial("job_in_hand", IN_HAND, job.c.server)
_partial("job_untold", UNTOLD, job.c.not_before)
_partial("job_ended", ENDED, job.c.finished)
Index("job_of_user", job.c.user_id, job.c.seq, job.c.state)
"""Has the state too, so that counting by state reads no rows. An index that began with the state would be SQLite's
first choice for every query here, the line's too, and the whole line would be sorted for each claim."""

input_file = Table(
    "input_file",
    metadata,
    Column("job_id", Text, ForeignKey("job.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""The input pictures of jobs that may still run: a job that was accepted needs nothing from anywhere else."""

account = Table(
    "account",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("guild_id", BigInteger),
    Column("user_id", BigInteger, nullable=False),
    Column("tier", SmallInteger, nullable=False, server_default=text("0")),
    Column("weight", Double, nullable=False, server_default=text("1")),
    Column("cap", Integer),
    Column("max_queued", Integer),
    Column("score", Double, nullable=False, server_default=text("-1e18")),
    _count("waiting"),
    _count("running"),
    _flag("paused"),
    _seconds("banned_until"),
    Column("ready", SmallInteger, nullable=False, server_default=text("0")),
)
"""A member in one guild (or in direct messages). `ready` says that one more of its jobs may be given to a server."""

_partial("account_ready", text("ready = 1"), account.c.tier, account.c.score, account.c.account_id)

server = Table(
    "server",
    metadata,
    Column("server_id", Text, primary_key=True),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    _flag("paused"),
    Column("slots", Integer, nullable=False, server_default=text("1")),
    _text("loaded_cls"),
    _text("classes", "[]"),
    _text("owner"),
    _seconds("lease_until"),
    _count("epoch"),
    _seconds("last_seen"),
    _text("health"),
)
"""A ComfyUI server, by its address, and whose it is."""

usage = Table(
    "usage",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("guild_id", BigInteger),
    Column("user_id", BigInteger, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("at", Double, nullable=False),
    Index("usage_of_account", "account_id", "at"),
)
"""GPU time that was used: one row for each run of a job, by the epoch in which it left its server. Never changed."""

event = Table(
    "event",
    metadata,
    Column("id", _SERIAL, Identity(), primary_key=True),
    _text("job_id"),
    _text("actor"),
    Column("what", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("event_what", "what", "at"),
)

pause = Table(
    "pause",
    metadata,
    Column("scope", Text, primary_key=True),
    _text("by"),
    _text("reason"),
    Column("until", Double),
)
"""What is paused: everything, a guild, a class of jobs or an account."""
