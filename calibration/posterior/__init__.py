"""Posterior of error rates and event rates for one judge and for a panel."""
