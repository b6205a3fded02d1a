"""All formats of a study: those of `gnomon.data.exporters`, and those that need the truth of its labels."""

from __future__ import annotations

from gnomon.calibration.exporters.validation_set import export_validation_set
from gnomon.data.exporters import EXPORTERS, Exporter, register_exporter

__all__ = ["EXPORTERS"]

register_exporter(Exporter("scout", export_validation_set))
