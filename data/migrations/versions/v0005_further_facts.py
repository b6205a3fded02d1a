"""The facts that are registered beyond the first four, beside them in verdicts and labels."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `further_facts`; rows that are there keep NULL, which means that no further fact was asked for."""
    for table in ("verdicts", "labels"):
        op.add_column(table, sa.Column("further_facts", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0005 cannot be undone: restore a backup")
