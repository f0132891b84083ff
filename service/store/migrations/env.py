"""Alembic's entry: always on the connection that `service/store/upgrade.py` hands over."""

from __future__ import annotations

from alembic import context

from service.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata(),
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=False,  # the transaction is the caller's: the whole upgrade or nothing
)
context.run_migrations()
