"""Records, tables, store, importers and published figures. Imports no other room."""
