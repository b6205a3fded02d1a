"""TODO wing data/importers/formats."""
