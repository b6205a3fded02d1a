"""Judges' scores, the guideline that a rater followed, and facts that a rater leaves undecided."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Verdicts that are there have no scores; of labels, no guideline was recorded and every fact is decided."""
    op.add_column("verdicts", sa.Column("scores", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("labels", sa.Column("policy", sa.String(64), nullable=False, server_default=""))
    op.add_column("labels", sa.Column("undecided", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "label_policies",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
    )
    for statement in _refusals(op.get_bind().dialect.name):
        op.execute(statement)


def _refusals(dialect: str) -> list[str]:
    """Triggers that keep guidelines append-only, as facts are."""
    changes = ("UPDATE", "DELETE", *(("TRUNCATE",) if dialect == "postgresql" else ()))
    heads = [(f"CREATE TRIGGER label_policies_no_{each.lower()} BEFORE {each} ON label_policies", each) for each in changes]
    if dialect == "postgresql":
        run = "EXECUTE FUNCTION gnomon_append_only()"
        return [f"{head} FOR EACH {'STATEMENT' if each == 'TRUNCATE' else 'ROW'} {run}" for head, each in heads]
    return [f"{head} BEGIN SELECT RAISE(ABORT, 'label_policies is append-only'); END" for head, _ in heads]


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0013 cannot be undone: restore a backup")
