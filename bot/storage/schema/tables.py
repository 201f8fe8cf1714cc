"""The tables, described once for both engines; `migrations` leads up to this schema.

Times are seconds since the epoch and structured values are JSON text, so no engine-specific types are needed. Some
columns of the first version are unused: dropping them from a large table would cost more than keeping them.
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
"""SQLite numbers rows only in a column of type INTEGER."""


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
    _text("workflow"),
    _text("cls"),
    _text("model"),
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
    _seconds("charged_at"),
    Column("pictures_est", Integer, nullable=False, server_default=text("1")),
    Column("spec", Text, nullable=False),
)
"""`cls`: what it needs of a server (see `job_class`); `model`: the models it wants loaded; `cost_est`: expected GPU
seconds; `charged_at`: when they were charged to its account."""

QUEUED: Final = text("state = 'queued'")
RUNNING: Final = text("state = 'running'")
WAITING: Final = text("state IN ('held', 'queued')")
UNFINISHED: Final = text("(state IN ('running', 'delivering') OR delivery = 'pending')")
UNDELIVERED: Final = text("delivery = 'pending'")
ENDED: Final = text("state IN ('done', 'failed', 'cancelled')")
"""Queries repeat these conditions word for word, so that SQLite uses the partial indexes. A state passed as a parameter
would be planned again for each value."""


def _partial(name: str, condition: TextClause, *columns: Column[Any]) -> None:
    Index(name, *columns, sqlite_where=condition, postgresql_where=condition)


_partial("job_next", QUEUED, job.c.account_id, job.c.priority, job.c.seq, job.c.cls, job.c.not_before)
_partial("job_warm", QUEUED, job.c.account_id, job.c.model, job.c.priority, job.c.seq)
_partial("job_of_class", WAITING, job.c.cls)
_partial("job_waiting", WAITING, job.c.user_id)
_partial("job_in_hand", UNFINISHED, job.c.server)
_partial("job_untold", UNDELIVERED, job.c.not_before)
_partial("job_ended", ENDED, job.c.finished)
Index("job_of_user", job.c.user_id, job.c.seq, job.c.state)
"""Includes the state, so that counting by state reads no rows. SQLite would prefer an index that begins with the state
for every query here, and each claim would sort the whole queue."""

input_file = Table(
    "input_file",
    metadata,
    Column("job_id", Text, ForeignKey("job.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""Input files of jobs that may still run, so that an accepted job depends on nothing else."""

account = Table(
    "account",
    metadata,
    Column("account_id", Text, primary_key=True),
    _text("guild_key"),
    Column("guild_id", BigInteger),
    Column("user_id", BigInteger, nullable=False),
    Column("tier", SmallInteger, nullable=False, server_default=text("0")),
    Column("weight", Double, nullable=False, server_default=text("1")),
    Column("cap", Integer),
    Column("max_queued", Integer),
    _seconds("used"),
    _seconds("used_at"),
    Column("score", Double, nullable=False, server_default=text("-1e18")),
    _seconds("waits_since"),
    _count("waiting"),
    _count("running"),
    _flag("paused"),
    _seconds("banned_until"),
    Column("ready", SmallInteger, nullable=False, server_default=text("0")),
)
"""A member in one guild (or in direct messages). `ready`: a server may take another of its jobs.

`used`, `used_at` and `score` are those of `bot.policy.fair_share.Share`, here and for guilds. `tier` is the lane; the
priority lane is -1. `waits_since`: when its first job began to wait, or when a job of it was last claimed.
"""

READY: Final = text("ready = 1")
HAS_QUEUED: Final = text("waiting > 0")
_partial("account_ready", READY, account.c.guild_key, account.c.score, account.c.waits_since, account.c.account_id)
_partial("account_lane", text("ready = 1 AND tier < 0"), account.c.tier)
_partial("account_patient", READY, account.c.waits_since)
_partial("account_in_line", HAS_QUEUED, account.c.waiting)

guild = Table(
    "guild",
    metadata,
    Column("guild_key", Text, primary_key=True),
    _seconds("used"),
    _seconds("used_at"),
    Column("score", Double, nullable=False, server_default=text("-1e18")),
    Index("guild_score", "score", "guild_key"),
)
"""Total usage of a guild. Direct messages are one guild, `@me`."""

job_class = Table(
    "job_class",
    metadata,
    Column("cls", Text, primary_key=True),
    Column("needs", Text, nullable=False),
    _seconds("used_at"),
)
"""What jobs of one class need of a server (`bot.workflow.run.needs.Needs` as JSON)."""

fit = Table(
    "fit",
    metadata,
    Column("server_id", Text, primary_key=True),
    Column("cls", Text, primary_key=True),
    Column("fits", Boolean, nullable=False),
    _text("lacks", "[]"),
)
"""Whether a server can run a class of jobs, and what it lacks if not. No row: not checked yet."""

server = Table(
    "server",
    metadata,
    Column("server_id", Text, primary_key=True),
    _text("url"),
    _text("name"),
    _text("source", "settings"),
    _text("added_by"),
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
    Column("vram", BigInteger, nullable=False, server_default=text("0")),
    _text("version"),
    _text("fingerprint"),
    Column("definitions", LargeBinary),
    _count("place"),
)
"""A ComfyUI server, the process that holds its lease, and its capabilities. Rows without `url` are other leases.

`url` may hold a password; `paused` means drained; `definitions` is compressed JSON; `place` is the order of addition.
"""

process = Table(
    "process",
    metadata,
    Column("owner", Text, primary_key=True),
    _text("role"),
    _seconds("seen_until"),
)
"""The bot's live processes: each renews its row, and deletes it when it stops."""

result_file = Table(
    "result_file",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("ref", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Results until their delivery and for a while after it, if several machines need them."""

usage = Table(
    "usage",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("guild_id", BigInteger),
    Column("user_id", BigInteger, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    _count("pictures"),
    Column("counted", Boolean, nullable=False, server_default=text("true")),
    _text("workflow"),
    _text("server"),
    Column("at", Double, nullable=False),
    Index("usage_of_account", "account_id", "at"),
    Index("usage_newest", "at"),
)
"""GPU time used: one row per run of a job, by the epoch in which it left its server.

`counted`: whether quotas count it; failed and lost runs don't count.
"""

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
    _seconds("at"),
)
"""What is paused, by the scopes of `bot.policy.pauses`."""

role_rule = Table(
    "role_rule",
    metadata,
    Column("guild_id", BigInteger, primary_key=True),
    Column("role_id", BigInteger, primary_key=True),
    Column("weight", Double),
    Column("running", Integer),
    Column("waiting", Integer),
    Column("lane", Boolean),
    Column("day_seconds", Double),
    Column("week_seconds", Double),
    Column("day_pictures", Integer),
    Column("week_pictures", Integer),
    Column("cooldown", Double),
)
"""What a role grants in its guild (`bot.policy.role_rules.RoleRule`); NULL means not set."""

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the database itself, such as the id of the installation."""


workflow_rule = Table(
    "workflow_rule",
    metadata,
    Column("guild_id", BigInteger, primary_key=True),
    Column("channel_id", BigInteger, primary_key=True),
    Column("workflow", Text, primary_key=True),
    Column("enabled", Boolean),
    Column("defaults", Text, nullable=False, server_default="{}"),
)
"""Rules of a guild (`channel_id` 0) or of one of its channels. `defaults` is JSON: option → value."""

guild_limit = Table(
    "guild_limit",
    metadata,
    Column("guild_id", BigInteger, primary_key=True),
    Column("max_side", Integer, nullable=False, server_default=text("0")),
    Column("max_pixels", BigInteger, nullable=False, server_default=text("0")),
    Column("max_steps", Integer, nullable=False, server_default=text("0")),
    Column("max_count", Integer, nullable=False, server_default=text("0")),
)
"""Limits per job in a guild; 0 means not set."""
