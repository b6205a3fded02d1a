"""Labels that leave open what happened: soft truth, and the range that they leave."""
