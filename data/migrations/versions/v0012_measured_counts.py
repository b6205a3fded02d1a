"""What published counts are of, and what guessing would give."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Counts that are there are of reports, which have no chance level."""
    op.add_column("counts", sa.Column("measure", sa.String(32), nullable=False, server_default="report"))
    op.add_column("counts", sa.Column("chance", sa.Float(), nullable=True))


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0012 cannot be undone: restore a backup")
