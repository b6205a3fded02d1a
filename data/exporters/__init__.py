"""Formats that a study can be written in: `EXPORTERS` by name."""

from __future__ import annotations

from functools import partial

from gnomon.data.exporters.croissant import export_croissant
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.exporters.inspect_log import export_logs
from gnomon.data.exporters.label_tasks import export_argilla, export_label_studio
from gnomon.data.exporters.registry import EXPORTERS, Exporter, ExportReport, register_exporter

__all__ = ["EXPORTERS", "ExportReport", "Exporter", "register_exporter"]

register_exporter(Exporter("gnomon", export_store))
register_exporter(Exporter("csv", partial(export_store, as_csv=True), guards_cells=True))
register_exporter(Exporter("inspect", export_logs))
register_exporter(Exporter("label-studio", export_label_studio))
register_exporter(Exporter("argilla", export_argilla))
register_exporter(Exporter("croissant", export_croissant))
