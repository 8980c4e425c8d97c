"""Alembic's environment: runs on the connection that `gare.ledger.database` hands over, in its transaction."""

from alembic import context

from gare.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
