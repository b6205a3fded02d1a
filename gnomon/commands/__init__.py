"""What the commands of `gnomon` do."""
