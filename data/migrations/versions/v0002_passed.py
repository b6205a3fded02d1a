"""The answer to the study's own question, pass or fail, beside the facts of a verdict and a label."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `passed`; rows that are there keep None, which means that the question was not asked."""
    for table in ("verdicts", "labels"):
        op.add_column(table, sa.Column("passed", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0002 cannot be undone: restore a backup")
