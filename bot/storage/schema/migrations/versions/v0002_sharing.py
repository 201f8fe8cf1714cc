"""Sharing: what guilds and accounts have used, what servers can do, who may have how much; many processes."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns and tables, and fill in what older rows say already."""
    _job()
    _account()
    _server()
    _usage()
    op.add_column("pause", _seconds("at"))
    _guild()
    _classes()
    _policy()
    _processes()


def _seconds(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, server_default=sa.text("0"), nullable=False)


def _text(name: str, default: str = "") -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), server_default=default, nullable=False)


def _partial(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)


def _job() -> None:
    pictures = sa.Column("pictures_est", sa.Integer(), server_default=sa.text("1"), nullable=False)
    for column in (_text("workflow"), _text("model"), _seconds("charged_at"), pictures):
        op.add_column("job", column)
    op.drop_index("job_next", "job")
    _partial("job_next", "job", ["account_id", "priority", "seq", "cls", "not_before"], "state = 'queued'")
    _partial("job_warm", "job", ["account_id", "model", "priority", "seq"], "state = 'queued'")
    _partial("job_of_class", "job", ["cls"], "state IN ('held', 'queued')")


def _account() -> None:
    for column in (_text("guild_key"), _seconds("used"), _seconds("used_at"), _seconds("waits_since")):
        op.add_column("account", column)
    op.execute("UPDATE account SET guild_key = CASE WHEN guild_id IS NULL THEN '@me' ELSE CAST(guild_id AS TEXT) END")
    op.drop_index("account_ready", "account")
    _partial("account_ready", "account", ["guild_key", "score", "waits_since", "account_id"], "ready = 1")
    _partial("account_lane", "account", ["tier"], "ready = 1 AND tier < 0")
    _partial("account_patient", "account", ["waits_since"], "ready = 1")
    _partial("account_in_line", "account", ["waiting"], "waiting > 0")


def _server() -> None:
    columns = (
        _text("url"),
        _text("name"),
        _text("source", "settings"),
        _text("added_by"),
        sa.Column("vram", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _text("version"),
        _text("fingerprint"),
        sa.Column("definitions", sa.LargeBinary(), nullable=True),
        sa.Column("place", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    for column in columns:
        op.add_column("server", column)


def _usage() -> None:
    columns = (
        sa.Column("pictures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("counted", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        _text("workflow"),
        _text("server"),
    )
    for column in columns:
        op.add_column("usage", column)
    op.create_index("usage_newest", "usage", ["at"], unique=False)


def _guild() -> None:
    op.create_table(
        "guild",
        sa.Column("guild_key", sa.Text(), nullable=False),
        _seconds("used"),
        _seconds("used_at"),
        sa.Column("score", sa.Double, server_default=sa.text("-1e18"), nullable=False),
        sa.PrimaryKeyConstraint("guild_key", name=op.f("pk_guild")),
    )
    op.create_index("guild_score", "guild", ["score", "guild_key"], unique=False)
    op.execute("INSERT INTO guild (guild_key) SELECT DISTINCT guild_key FROM account")


def _classes() -> None:
    op.create_table(
        "job_class",
        sa.Column("cls", sa.Text(), nullable=False),
        sa.Column("needs", sa.Text(), nullable=False),
        _seconds("used_at"),
        sa.PrimaryKeyConstraint("cls", name=op.f("pk_job_class")),
    )
    op.create_table(
        "fit",
        sa.Column("server_id", sa.Text(), nullable=False),
        sa.Column("cls", sa.Text(), nullable=False),
        sa.Column("fits", sa.Boolean(), nullable=False),
        _text("lacks", "[]"),
        sa.PrimaryKeyConstraint("server_id", "cls", name=op.f("pk_fit")),
    )


def _policy() -> None:
    op.create_table(
        "role_rule",
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("role_id", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.Double, nullable=True),
        sa.Column("running", sa.Integer(), nullable=True),
        sa.Column("waiting", sa.Integer(), nullable=True),
        sa.Column("lane", sa.Boolean(), nullable=True),
        sa.Column("day_seconds", sa.Double, nullable=True),
        sa.Column("week_seconds", sa.Double, nullable=True),
        sa.Column("day_pictures", sa.Integer(), nullable=True),
        sa.Column("week_pictures", sa.Integer(), nullable=True),
        sa.Column("cooldown", sa.Double, nullable=True),
        sa.PrimaryKeyConstraint("guild_id", "role_id", name=op.f("pk_role_rule")),
    )


def _processes() -> None:
    op.create_table(
        "process",
        sa.Column("owner", sa.Text(), nullable=False),
        _text("role"),
        _seconds("seen_until"),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_process")),
    )
    op.create_table(
        "result_file",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_result_file")),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_meta")),
    )
