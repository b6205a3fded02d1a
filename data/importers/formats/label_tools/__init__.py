"""Labels that were made in labelling tools, on answers of the study that `gnomon export` wrote as tasks."""
