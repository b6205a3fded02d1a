"""The database: tables, connections, the store, bulk insert and pending verdicts."""
