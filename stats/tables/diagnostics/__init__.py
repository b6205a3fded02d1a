"""Tables of how far estimates can be trusted: convergence, predictive checks, coverage in simulation."""
