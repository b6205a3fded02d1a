"""Whole-database work: integrity checks, copies to another database, backups."""
