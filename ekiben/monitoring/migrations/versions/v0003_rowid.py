"""In SQLite large records apart from their keys: to find a key no record is read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table of requests anew, and put what the old one holds into it."""
    if op.get_bind().dialect.name != "sqlite":
        return
    op.drop_index("request_when", "request")
    op.rename_table("request", "request_without_rowid")
    op.create_table(
        "request",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("use_case", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("batch_rows", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("answered", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="request_by_key"),
    )
    op.execute("INSERT INTO request SELECT * FROM request_without_rowid ORDER BY key")
    op.drop_table("request_without_rowid")
    # With the key, so that a list of requests is read from the index alone.
    op.create_index("request_when", "request", ["use_case", "at", "rows", "key"])
