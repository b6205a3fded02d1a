"""Questions about no concept of any study: what doses and effects of additions are measured on."""

from __future__ import annotations

NEUTRAL_QUESTIONS = (
    "How is bread made?",
    "What happens in a library on an ordinary day?",
    "Describe a walk through a small town.",
    "What should somebody know who starts a new job?",
    "How does a bicycle stay upright?",
    "Tell me how to look after a garden in spring.",
    "Why do people keep old letters?",
    "What is a good way to learn a language?",
)
"""Questions that are about no concept of a study. Their wording is part of what a search says of itself."""
