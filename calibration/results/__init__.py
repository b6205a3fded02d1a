"""Typed results of the audit and of the label plan: what commands print as JSON and what pages and the report read."""
