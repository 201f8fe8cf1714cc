"""Run by Alembic, on the connection and in the transaction that `schema` hands over."""

from alembic import context

from bot.storage.schema.tables import metadata
from bot.storage.schema.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
