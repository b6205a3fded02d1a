"""Commands on judges beyond collecting verdicts: cards, gates, comparisons, certificates."""
