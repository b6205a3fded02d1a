"""TODO wing calibration/latent_class."""
