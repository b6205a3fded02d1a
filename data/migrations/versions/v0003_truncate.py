"""PostgreSQL: facts are kept from TRUNCATE too, and a forbidden change is an integrity error, as in SQLite."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APPEND_ONLY = ('trials', 'judges', 'verdicts', 'labels', 'fits', 'events')


def upgrade() -> None:
    """Nothing in SQLite, which has no TRUNCATE."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE OR REPLACE FUNCTION gnomon_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION gnomon_append_only()"
        )


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0003 cannot be undone: restore a backup")
