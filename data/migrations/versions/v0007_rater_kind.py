"""What each labelling rater is: a person, a language model or a rule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `rater_kind`; rows that are there keep NULL, which means that it was not recorded: the name tells."""
    op.add_column("labels", sa.Column("rater_kind", sa.String(16), nullable=True))


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0007 cannot be undone: restore a backup")
