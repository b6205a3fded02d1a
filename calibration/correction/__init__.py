"""Corrects rates for judge error, by stratum and for a panel of judges."""
