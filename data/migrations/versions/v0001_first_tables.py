"""The first tables, and the triggers that keep facts append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

APPEND_ONLY = ('trials', 'judges', 'verdicts', 'labels', 'fits', 'events')


def upgrade() -> None:
    """Make every table of the first version."""
    op.create_table(
        "events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_table(
        "fits",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("view", sa.String(100), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("data_hash", sa.String(64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("priors", sa.JSON(), nullable=False),
        sa.Column("diagnostics", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("code_version", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_fits"),
    )
    op.create_index("ix_fits_view_created_at", "fits", ['view', 'created_at'])
    op.create_table(
        "judges",
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("version", name="pk_judges"),
    )
    op.create_table(
        "protocols",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_protocols"),
    )
    op.create_table(
        "study",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_study"),
    )
    op.create_table(
        "subjects",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("parameters", sa.Float(), nullable=False),
        sa.Column("family", sa.String(100), nullable=False),
        sa.Column("variant", sa.String(100), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_subjects"),
    )
    op.create_table(
        "vectors",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("concept", sa.String(100), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=False),
        sa.Column("norm", sa.Float(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name="pk_vectors"),
    )
    op.create_table(
        "counts",
        sa.Column("source", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(200), sa.ForeignKey("subjects.name", name="fk_counts_subject"), nullable=False),
        sa.Column("arm", sa.String(32), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("source", "subject", "arm", name="pk_counts"),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(200), sa.ForeignKey("subjects.name", name="fk_trials_subject"), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("arm", sa.String(32), nullable=False),
        sa.Column("concept", sa.String(100), nullable=True),
        sa.Column("layer", sa.Integer(), nullable=True),
        sa.Column("strength", sa.Float(), nullable=False),
        sa.Column("span", sa.String(32), nullable=False),
        sa.Column("protocol", sa.String(64), sa.ForeignKey("protocols.hash", name="fk_trials_protocol"), nullable=False),
        sa.Column("vector", sa.String(64), nullable=True),
        sa.Column("study_seed", sa.BigInteger(), nullable=False),
        sa.Column("replicate", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("depth", sa.Float(), nullable=True),
        sa.Column("magnitude", sa.Float(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("finish", sa.String(16), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("split", sa.String(8), nullable=False),
        sa.Column("code_version", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
    )
    op.create_index("ix_trials_subject_arm_concept_strength_layer", "trials", ['subject', 'arm', 'concept', 'strength', 'layer'])
    op.create_table(
        "labels",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("trial", sa.String(32), sa.ForeignKey("trials.id", name="fk_labels_trial"), nullable=False),
        sa.Column("rater", sa.String(100), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("claims", sa.Boolean(), nullable=True),
        sa.Column("concept", sa.String(100), nullable=True),
        sa.Column("coherent", sa.Boolean(), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("exposure", sa.String(16), nullable=False),
        sa.Column("stratum", sa.String(64), nullable=False),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        sa.UniqueConstraint('trial', 'rater', 'revision', name="uq_labels_trial_rater_revision"),
    )
    op.create_table(
        "leases",
        sa.Column("trial", sa.String(32), sa.ForeignKey("trials.id", name="fk_leases_trial"), nullable=False),
        sa.Column("rater", sa.String(100), nullable=False),
        sa.Column("expires_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("trial", name="pk_leases"),
    )
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("trial", sa.String(32), sa.ForeignKey("trials.id", name="fk_verdicts_trial"), nullable=False),
        sa.Column("judge", sa.String(64), sa.ForeignKey("judges.version", name="fk_verdicts_judge"), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("claims", sa.Boolean(), nullable=True),
        sa.Column("concept", sa.String(100), nullable=True),
        sa.Column("coherent", sa.Boolean(), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=True),
        sa.Column("quote", sa.Text(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verdicts"),
        sa.UniqueConstraint('trial', 'judge', 'sample', name="uq_verdicts_trial_judge_sample"),
    )
    op.create_index("ix_verdicts_judge", "verdicts", ['judge'])
    _forbid_changes()


def _forbid_changes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION gnomon_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            op.execute(_trigger(op.get_bind().dialect.name, table, action))


def _trigger(dialect: str, table: str, action: str) -> str:
    name = f"{table}_no_{action.lower()}"
    if dialect == "postgresql":
        return (
            f"CREATE TRIGGER {name} BEFORE {action} ON {table} FOR EACH ROW EXECUTE FUNCTION gnomon_append_only()"
        )
    return (
        f"CREATE TRIGGER {name} BEFORE {action} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


def downgrade() -> None:
    """Facts are not taken back: restore a backup instead."""
    raise RuntimeError("migration 0001 cannot be undone: restore a backup")
