"""What a panel is worth: effective number of judges or raters, votes and weights."""
