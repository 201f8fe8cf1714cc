"""Tables for the workflow rules of guilds."""

from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text, text

from bot.jobs.store.tables import metadata

__all__ = ["guild_limit", "metadata", "workflow_rule"]

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
