"""The battery: prompts of its tasks, and the plan of its trials."""
