"""Words whose mean activation is subtracted from a concept's, so that only what is specific to the concept remains."""

from __future__ import annotations

BASELINE_WORDS = (
    "apron", "basket", "bicycle", "blanket", "bottle", "bracket", "bridge", "brush", "bucket", "button",
    "cabinet", "calendar", "carpet", "chair", "cheese", "chimney", "circle", "corner", "cotton", "cousin",
    "diagram", "drawer", "elbow", "engine", "envelope", "fabric", "farmer", "fence", "folder", "fork",
    "garage", "glove", "hammer", "hinge", "jacket", "kettle", "ladder", "leather", "lemon", "letter",
    "market", "mirror", "needle", "notebook", "onion", "paper", "pencil", "pepper", "pillow", "planet",
    "pocket", "printer", "ribbon", "saddle", "sandal", "shelf", "spoon", "ticket", "tunnel", "window",
)  # fmt: skip
