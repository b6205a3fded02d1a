"""Statistics of the battery: tasks that are read by code, from words or from logits, without a judge."""
