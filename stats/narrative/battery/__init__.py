"""The battery in words and tables: tasks, the yes-shift, and variants of one model."""
