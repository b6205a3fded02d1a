"""Alembic's entry point: runs migrations on the connection that `gnomon.data.storage.schema` passes in."""

from alembic import context

from gnomon.data.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
