"""Tokens that each run of a judge has used, and those that it set aside before its calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "reserved_input", "reserved_output")


def upgrade() -> None:
    """Add the table; what was used before is counted from verdicts and events when a judge runs again."""
    op.create_table(
        "judge_runs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("judge", sa.String(100), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.Column("begun_at", sa.String(40), nullable=False),
        sa.Column("ended_at", sa.String(40), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_judge_runs"),
    )
    op.create_index("ix_judge_runs_judge", "judge_runs", ["judge"])


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0009 cannot be undone: restore a backup")
