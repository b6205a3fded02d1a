"""Indexes of the times of trials and verdicts: whether a fit is older than what it is of, without reading every row."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


COLUMNS = {"trials": ["created_at", "measure", "arm"], "verdicts": ["created_at"]}


def upgrade() -> None:
    """Add the indexes; no row changes."""
    for table, columns in COLUMNS.items():
        op.create_index(f"ix_{table}_created_at", table, columns)


def downgrade() -> None:
    """Remove them."""
    for table in COLUMNS:
        op.drop_index(f"ix_{table}_created_at", table)
