"""Starts and ends the Streamlit server."""
