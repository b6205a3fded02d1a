"""What holds however often one looks: confidence sequences, tests for change, certificates, the charge for looks."""
