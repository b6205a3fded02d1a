"""SHA-256 of the file that holds a fit's draws: draws are read only where a fit of the study wrote them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; fits that are there have none, and are sampled again where their draws were read."""
    op.add_column("fits", sa.Column("draws_sha256", sa.String(64), nullable=True))


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0010 cannot be undone: restore a backup")
