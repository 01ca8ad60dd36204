"""Requests that were answered together may share a record, and numbers may lie in bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the list of a record's requests, of which those that are there have one each, and
    the numbers that their JSON leaves out: none."""
    op.add_column("request", sa.Column("requests", sa.Text(), nullable=True))
    op.add_column("request", sa.Column("numbers", sa.LargeBinary(), nullable=True))
