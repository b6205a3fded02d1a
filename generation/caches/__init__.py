"""What a batch keeps of earlier positions, and which of them a row may attend to. Knows no subject and no engine."""
