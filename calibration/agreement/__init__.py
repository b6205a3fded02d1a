"""Chance-corrected agreement between judges and raters."""
