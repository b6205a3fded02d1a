"""Arrays in, numbers out: proportions, prediction-powered inference, pooling, compiled functions."""
