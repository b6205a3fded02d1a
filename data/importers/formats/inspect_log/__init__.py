"""Inspect logs: samples as trials, scores as verdicts of their scorer, a person's edits as labels."""

from __future__ import annotations

from gnomon.data.importers.formats.inspect_log.samples import NAME, read_files

__all__ = ["NAME", "read_files"]
