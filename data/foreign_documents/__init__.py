"""The border for foreign bytes: every document that others wrote is read through this folder, within bounds."""
