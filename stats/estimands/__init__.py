"""What is estimated: definitions, comparisons, regression on size, bounds, results."""
