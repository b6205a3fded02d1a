"""What a trial was asked, what was read from its logits, and what the subject thought before its answer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

CELLS = ["subject", "arm", "concept", "layer", "depth", "strength", "span", "protocol", "measure", "id"]


def upgrade() -> None:
    """Trials that are there asked for a report, or, as those of the arm `mismatched`, for what their arm says."""
    op.add_column("trials", sa.Column("measure", sa.String(32), nullable=False, server_default="report"))
    op.add_column("trials", sa.Column("readings", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("trials", sa.Column("thinking", sa.Text(), nullable=True))
    op.drop_index("ix_trials_cells", "trials")
    op.create_index("ix_trials_cells", "trials", CELLS)


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0011 cannot be undone: restore a backup")
