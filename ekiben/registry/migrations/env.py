"""What Alembic runs: all revisions that are missing, in the caller's transaction."""

from alembic import context

attributes = context.config.attributes
# SQLite's DDL is transactional once the driver leaves BEGIN to us, which engines.py sees to.
context.configure(
    connection=attributes["connection"],
    version_table=attributes["version_table"],
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
