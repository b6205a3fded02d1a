"""SQLAlchemy definitions of the tables. `data/migrations` creates them, and a test verifies that both agree."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

from gnomon.data.storage.columns.column_values import checked_column

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _checked_table(name: str, *parts: SchemaItem) -> Table:
    """A table whose columns check what is read from them."""
    return Table(name, metadata, *(checked_column(name, part) if isinstance(part, Column) else part for part in parts))


study = _checked_table(
    "study",
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

subjects = _checked_table(
    "subjects",
    Column("name", String(200), primary_key=True),
    Column("parameters", Float, nullable=False),
    Column("family", String(100), nullable=False),
    Column("variant", String(100), nullable=False),
    Column("revision", String(64), nullable=False),
)

protocols = _checked_table(
    "protocols",
    Column("hash", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("content", JSON, nullable=False),
)

vectors = _checked_table(
    "vectors",
    Column("hash", String(64), primary_key=True),
    Column("subject", String(200), nullable=False),
    Column("concept", String(100), nullable=False),
    Column("layer", Integer, nullable=False),
    Column("norm", Float, nullable=False),
    Column("content", JSON, nullable=False),
)

trials = _checked_table(
    "trials",
    Column("id", String(32), primary_key=True),
    Column("subject", String(200), ForeignKey("subjects.name"), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("arm", String(32), nullable=False),
    Column("concept", String(100)),
    Column("layer", Integer),
    Column("strength", Float, nullable=False),
    Column("span", String(32), nullable=False),
    Column("protocol", String(64), ForeignKey("protocols.hash"), nullable=False),
    Column("vector", String(64)),
    Column("study_seed", BigInteger, nullable=False),
    Column("replicate", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("depth", Float),
    Column("magnitude", Float),
    Column("answer", Text, nullable=False),
    Column("finish", String(16), nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("source", String(64), nullable=False),
    Column("error", Text),
    Column("measure", String(32), nullable=False, server_default="report"),
    Column("readings", JSON(none_as_null=True)),
    Column("thinking", Text),
    Column("split", String(8), nullable=False),
    Column("code_version", String(64), nullable=False),
    Column("created_at", String(40), nullable=False),
    Index(None, "subject", "arm", "concept", "strength", "layer"),
    Index(None, "created_at", "measure", "arm"),
)

# Covering index for the counts of `gnomon.stats.cells.aggregation`, so that no row with its text is read.
AXES = ("subject", "arm", "concept", "layer", "depth", "strength", "span", "protocol", "measure")
failed = trials.c.error.is_not(None)
Index("ix_trials_cells", *(trials.c[name] for name in (*AXES, "id")))
Index("ix_trials_failed", trials.c.id, sqlite_where=failed, postgresql_where=failed)

judges = _checked_table(
    "judges",
    Column("version", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("config", JSON, nullable=False),
    Column("created_at", String(40), nullable=False),
)

verdicts = _checked_table(
    "verdicts",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("trial", String(32), ForeignKey("trials.id"), nullable=False),
    Column("judge", String(64), ForeignKey("judges.version"), nullable=False),
    Column("sample", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("claims", Boolean),
    Column("concept", String(100)),
    Column("coherent", Boolean),
    Column("refused", Boolean),
    Column("passed", Boolean),
    Column("further_facts", JSON(none_as_null=True)),
    Column("quote", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("scores", JSON(none_as_null=True)),
    Column("seconds", Float, nullable=False),
    Column("input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("created_at", String(40), nullable=False),
    UniqueConstraint("trial", "judge", "sample"),
    Index(None, "judge"),
    Index(None, "created_at"),
    Index("ix_verdicts_heard", "trial", "judge", "sample", "state", "claims", "concept", "coherent", "refused"),
)

labels = _checked_table(
    "labels",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("trial", String(32), ForeignKey("trials.id"), nullable=False),
    Column("rater", String(100), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("claims", Boolean),
    Column("concept", String(100)),
    Column("coherent", Boolean),
    Column("refused", Boolean),
    Column("passed", Boolean),
    Column("further_facts", JSON(none_as_null=True)),
    Column("note", Text, nullable=False),
    Column("exposure", String(16), nullable=False),
    Column("stratum", String(64), nullable=False),
    Column("probability", Float, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("selection", JSON(none_as_null=True)),
    Column("rater_kind", String(16)),
    Column("policy", String(64), nullable=False, server_default=""),
    Column("undecided", JSON(none_as_null=True)),
    UniqueConstraint("trial", "rater", "revision"),
)

label_policies = _checked_table(
    "label_policies",
    Column("hash", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("text", Text, nullable=False),
    Column("created_at", String(40), nullable=False),
)

judge_runs = _checked_table(
    "judge_runs",
    Column("id", String(32), primary_key=True),
    Column("judge", String(100), nullable=False),
    Column("version", String(64), nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("reserved_input", BigInteger, nullable=False),
    Column("reserved_output", BigInteger, nullable=False),
    Column("begun_at", String(40), nullable=False),
    Column("ended_at", String(40)),
    Index(None, "judge"),
)

leases = _checked_table(
    "leases",
    Column("trial", String(32), ForeignKey("trials.id"), primary_key=True),
    Column("rater", String(100), nullable=False),
    Column("expires_at", String(40), nullable=False),
)

counts = _checked_table(
    "counts",
    Column("source", String(100), primary_key=True),
    Column("subject", String(200), ForeignKey("subjects.name"), primary_key=True),
    Column("arm", String(32), primary_key=True),
    Column("cell", String(32), primary_key=True, default=""),
    Column("concept", String(100)),
    Column("layer", Integer),
    Column("depth", Float),
    Column("strength", Float),
    Column("span", String(32)),
    Column("protocol", String(100)),
    Column("n", Integer, nullable=False),
    Column("refused", Integer),
    Column("event", Integer, nullable=False),
    Column("incoherent", Integer),
    Column("misnamed", Integer),
    Column("measure", String(32), nullable=False, default="report"),
    Column("chance", Float),
)

fits = _checked_table(
    "fits",
    Column("id", String(64), primary_key=True),
    Column("view", String(100), nullable=False),
    Column("status", String(16), nullable=False),
    Column("data_hash", String(64), nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("priors", JSON, nullable=False),
    Column("diagnostics", JSON, nullable=False),
    Column("result", JSON, nullable=False),
    Column("draws_sha256", String(64), nullable=True),
    Column("code_version", String(64), nullable=False),
    Column("created_at", String(40), nullable=False),
    Index(None, "view", "created_at"),
)

events = _checked_table(
    "events",
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("kind", String(64), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("created_at", String(40), nullable=False),
)

APPEND_ONLY = ("trials", "judges", "verdicts", "labels", "label_policies", "fits", "events")
