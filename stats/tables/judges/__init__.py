"""Tables of judges: their errors, what they agree on, two versions side by side, and what a panel is worth."""
