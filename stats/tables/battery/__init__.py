"""Tables of the battery: tasks, what is left after the yes-shift, doses, bits, and variants of one model."""
