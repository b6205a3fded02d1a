"""Which trials to label next, and how many labels are needed."""
