"""TODO wing data/storage."""
