"""What Alembic runs: all revisions that are missing, in the caller's transaction."""

from alembic import context

# SQLite's DDL is transactional once the driver leaves BEGIN to us, which database.py sees to.
context.configure(
    connection=context.config.attributes["connection"], transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
