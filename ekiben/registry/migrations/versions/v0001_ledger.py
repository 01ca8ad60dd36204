"""The events, where they end, and triggers that keep them as they were written."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

SQLITE = (
    "CREATE TRIGGER ledger_event_changed BEFORE UPDATE ON ledger_event"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    "CREATE TRIGGER ledger_event_deleted BEFORE DELETE ON ledger_event"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    # INSERT OR REPLACE would change a row without an update.
    "CREATE TRIGGER ledger_event_replaced BEFORE INSERT ON ledger_event"
    " WHEN NEW.sequence IN (SELECT sequence FROM ledger_event)"
    " BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
)
POSTGRESQL = (
    "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$",
    "CREATE TRIGGER ledger_event_kept BEFORE UPDATE OR DELETE OR TRUNCATE"
    " ON ledger_event FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()",
)


def upgrade() -> None:
    """Make the tables."""
    number = sa.BigInteger()
    op.create_table(
        "ledger_event",
        sa.Column("sequence", number, primary_key=True, autoincrement=False),
        sa.Column("use_case", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("from_tag", sa.Text()),
        sa.Column("to_tag", sa.Text(), nullable=False),
        sa.Column("weight", sa.Float()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("forced", sa.Boolean(create_constraint=True), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("created", sa.Text(), nullable=False),
        sa.Column("effective", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.Text(), nullable=False, unique=True),
        sa.Column("hash", sa.Text(), nullable=False, unique=True),
    )
    op.create_index("ledger_event_of", "ledger_event", ["use_case", "sequence"])
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sequence", number, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": "0" * 64}])
    statements = SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL
    for statement in statements:
        op.execute(statement)
