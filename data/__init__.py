"""Records, tables, store, importers and published figures. Imports no other room."""

from gnomon.data import arms as _arms  # noqa: F401 (declares the arms that records name)
