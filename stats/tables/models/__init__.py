"""Tables with a row for each model, and of how models differ."""
