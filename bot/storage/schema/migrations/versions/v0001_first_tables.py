"""The first tables: jobs and their pictures, accounts, servers, the ledger, the log, pauses."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    _job()
    _account()
    _event()
    _pause()
    _server()
    _usage()
    _input_file()


def _job() -> None:
    op.create_table(
        "job",
        *_columns_of_the_run(),
        *_columns_of_its_end(),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_job")),
        sa.UniqueConstraint("id", name=op.f("uq_job_id")),
        sa.UniqueConstraint("interaction_id", name=op.f("uq_job_interaction_id")),
    )
    _job_indexes()


def _columns_of_the_run() -> list[sa.Column[Any]]:
    return [
        sa.Column(
            "seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), server_default="", nullable=False),
        sa.Column("cls", sa.Text(), server_default="", nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("started", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("finished", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("not_before", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("server", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("prompt_id", sa.Text(), server_default="", nullable=False),
        sa.Column("posted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("losses", sa.Integer(), server_default=sa.text("0"), nullable=False),
    ]


def _columns_of_its_end() -> list[sa.Column[Any]]:
    return [
        sa.Column("interaction_id", sa.BigInteger(), nullable=False),
        sa.Column("application_id", sa.BigInteger(), nullable=False),
        sa.Column("interaction_token", sa.Text(), nullable=False),
        sa.Column("token_expires", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("bot_can_edit", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("upload_limit", sa.BigInteger(), nullable=False),
        sa.Column("delivery", sa.Text(), server_default="none", nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("parts", sa.Text(), server_default="{}", nullable=False),
        sa.Column("told", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("outputs", sa.Text(), server_default="[]", nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("progress", sa.Double, nullable=True),
        sa.Column("progress_at", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("eta_s", sa.Double, nullable=True),
        sa.Column("cancel_requested", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancel_by", sa.BigInteger(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("cost_est", sa.Double, nullable=True),
        sa.Column("cost_used", sa.Double, nullable=True),
        sa.Column("spec", sa.Text(), nullable=False),
    ]


def _job_indexes() -> None:
    op.create_index(
        "job_ended",
        "job",
        ["finished"],
        unique=False,
        sqlite_where=sa.text("state IN ('done', 'failed', 'cancelled')"),
        postgresql_where=sa.text("state IN ('done', 'failed', 'cancelled')"),
    )
    op.create_index(
        "job_in_hand",
        "job",
        ["server"],
        unique=False,
        sqlite_where=sa.text("(state IN ('running', 'delivering') OR delivery = 'pending')"),
        postgresql_where=sa.text("(state IN ('running', 'delivering') OR delivery = 'pending')"),
    )
    op.create_index(
        "job_next",
        "job",
        ["priority", "seq"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("job_of_user", "job", ["user_id", "seq", "state"], unique=False)
    op.create_index(
        "job_untold",
        "job",
        ["not_before"],
        unique=False,
        sqlite_where=sa.text("delivery = 'pending'"),
        postgresql_where=sa.text("delivery = 'pending'"),
    )
    op.create_index(
        "job_waiting",
        "job",
        ["user_id"],
        unique=False,
        sqlite_where=sa.text("state IN ('held', 'queued')"),
        postgresql_where=sa.text("state IN ('held', 'queued')"),
    )


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("weight", sa.Double, server_default=sa.text("1"), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("max_queued", sa.Integer(), nullable=True),
        sa.Column("score", sa.Double, server_default=sa.text("-1e18"), nullable=False),
        sa.Column("waiting", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("running", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("banned_until", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("ready", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account")),
    )
    op.create_index(
        "account_ready",
        "account",
        ["tier", "score", "account_id"],
        unique=False,
        sqlite_where=sa.text("ready = 1"),
        postgresql_where=sa.text("ready = 1"),
    )


def _event() -> None:
    op.create_table(
        "event",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("job_id", sa.Text(), server_default="", nullable=False),
        sa.Column("actor", sa.Text(), server_default="", nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("event_what", "event", ["what", "at"], unique=False)


def _pause() -> None:
    op.create_table(
        "pause",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("until", sa.Double, nullable=True),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_pause")),
    )


def _server() -> None:
    op.create_table(
        "server",
        sa.Column("server_id", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("slots", sa.Integer(), server_default=sa.text("1"), nullable=False),
        sa.Column("loaded_cls", sa.Text(), server_default="", nullable=False),
        sa.Column("classes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("owner", sa.Text(), server_default="", nullable=False),
        sa.Column("lease_until", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_seen", sa.Double, server_default=sa.text("0"), nullable=False),
        sa.Column("health", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_server")),
    )


def _usage() -> None:
    op.create_table(
        "usage",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("gpu_seconds", sa.Double, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("job_id", "epoch", name=op.f("pk_usage")),
    )
    op.create_index("usage_of_account", "usage", ["account_id", "at"], unique=False)


def _input_file() -> None:
    op.create_table(
        "input_file",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_input_file_job_id")),
        sa.PrimaryKeyConstraint("job_id", "name", name=op.f("pk_input_file")),
    )
