"""Counts by concept, layer, strength, span and protocol, and of further outcomes, beside counts of whole arms."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEPT = ("source", "subject", "arm", "n", "refused", "event")


def upgrade() -> None:
    """Make the table anew, because its key gets a column; rows that are there stay counts of whole arms."""
    before = sa.table("counts", *(sa.column(name) for name in KEPT))
    rows = op.get_bind().execute(sa.select(before)).mappings().all()
    op.drop_table("counts")
    made = op.create_table(
        "counts",
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(200), sa.ForeignKey("subjects.name", name="fk_counts_subject"), nullable=False),
        sa.Column("arm", sa.String(32), nullable=False),
        sa.Column("cell", sa.String(32), nullable=False),
        sa.Column("concept", sa.String(100), nullable=True),
        sa.Column("layer", sa.Integer(), nullable=True),
        sa.Column("depth", sa.Float(), nullable=True),
        sa.Column("strength", sa.Float(), nullable=True),
        sa.Column("span", sa.String(32), nullable=True),
        sa.Column("protocol", sa.String(100), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=True),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("incoherent", sa.Integer(), nullable=True),
        sa.Column("misnamed", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("source", "subject", "arm", "cell", name="pk_counts"),
    )
    if rows:
        op.bulk_insert(made, [{**dict(row), "cell": ""} for row in rows])


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0008 cannot be undone: restore a backup")
