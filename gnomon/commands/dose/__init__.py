"""Commands about doses: opens the study and returns what was found."""
