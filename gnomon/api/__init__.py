"""The public Python API: what `import gnomon as gn` offers (docs/api.md). Prints nothing."""
