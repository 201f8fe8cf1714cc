"""Workflows per guild: which there are, with which defaults, and how large a request may be."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add two tables."""
    op.create_table(
        "workflow_rule",
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=True),
        sa.Column("defaults", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("guild_id", "channel_id", "workflow", name=op.f("pk_workflow_rule")),
    )
    op.create_table(
        "guild_limit",
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        *(
            sa.Column(name, kind, server_default=sa.text("0"), nullable=False)
            for name, kind in (
                ("max_side", sa.Integer()),
                ("max_pixels", sa.BigInteger()),
                ("max_steps", sa.Integer()),
                ("max_count", sa.Integer()),
            )
        ),
        sa.PrimaryKeyConstraint("guild_id", name=op.f("pk_guild_limit")),
    )
