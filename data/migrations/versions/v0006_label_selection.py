"""Which judge versions took part in choosing a trial to label, and its inclusion probability over all calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `selection`; rows that are there keep NULL, which means that it was not recorded."""
    op.add_column("labels", sa.Column("selection", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0006 cannot be undone: restore a backup")
