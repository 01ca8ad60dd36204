"""One record a request in place of one a row."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

KEY = {
    "sqlite": "substr({id}, 1, 29)",
    "postgresql": "left(replace({id}::text, '-', ''), 29)",
}
END = {
    "sqlite": "substr({id}, 30, 3)",
    "postgresql": "right({id}::text, 3)",
}
PLACE = {"sqlite": "instr", "postgresql": "strpos"}


def upgrade() -> None:
    """Make the new tables, and put what the old ones hold into them."""
    if op.get_bind().dialect.name == "postgresql":
        # Millions of rows take longer than any statement of a server may.
        op.execute("SET LOCAL statement_timeout = 0")
    op.rename_table("feedback", "feedback_by_id")
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
        # The records lie in the order of their keys, which is that of time.
        sqlite_with_rowid=False,
    )
    op.create_index("request_when", "request", ["use_case", "at", "rows"])
    op.create_table(
        "feedback",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", "number", name="feedback_by_key"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO request (key, use_case, tag, at, first, rows, batch_rows,"
        " seconds, request_id, caller, asked, answered)"
        f" SELECT {_key()}, use_case, tag, at, {_number()}, 1, batch_rows,"
        " seconds, request_id, caller, '[' || \"row\" || ']', '[' || answer || ']'"
        " FROM prediction"
    )
    op.execute(
        "INSERT INTO feedback (key, number, label, observed_at, received_at, caller)"
        f" SELECT {_key()}, {_number()}, label, observed_at, received_at, caller"
        " FROM feedback_by_id"
    )
    op.drop_table("feedback_by_id")
    op.drop_table("prediction")


def _key() -> str:
    return KEY[op.get_bind().dialect.name].format(id="id")


def _number() -> str:
    """Return the number that the last three digits of an id are."""
    dialect = op.get_bind().dialect.name
    end = END[dialect].format(id="id")
    digits = (f"substr({end}, {place}, 1)" for place in (1, 2, 3))
    values = [f"({PLACE[dialect]}('0123456789abcdef', {one}) - 1)" for one in digits]
    return f"{values[0]} * 256 + {values[1]} * 16 + {values[2]}"
