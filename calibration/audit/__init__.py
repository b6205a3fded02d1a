"""The audit of judges against hand labels: its document, frames, charts and sentences."""
