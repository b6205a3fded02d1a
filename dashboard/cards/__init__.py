"""Parts of the page of a calibration card."""
