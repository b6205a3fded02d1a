"""Sensitivity and specificity of judges by arm, and whether judges err independently."""
