"""Alembic's entry: runs migrations on the connection that `data.schema` hands over."""

from alembic import context

from data.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
