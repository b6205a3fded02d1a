"""The Streamlit app. Imports `data`, `calibration` and `stats`."""
