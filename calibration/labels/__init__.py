"""Which labels count: views of the label history, and the strata that labels were sampled from."""
