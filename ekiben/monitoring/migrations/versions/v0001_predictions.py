"""Every prediction that was answered, and what turned out to be true."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "prediction",
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("use_case", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("row", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("batch_rows", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        # The rows lie in the order of their ids, which is that of time.
        sqlite_with_rowid=False,
    )
    op.create_index("prediction_when", "prediction", ["use_case", "at"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
