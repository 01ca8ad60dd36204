"""Requests that were answered together may share a record, which says whose rows it has."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the list of a record's requests; the records that are there have one each."""
    op.add_column("request", sa.Column("requests", sa.Text(), nullable=True))
