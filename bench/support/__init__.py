"""What several measurements share: the machine's description, a browser, simulated raters, a judge server."""
