"""Whether errors of a judge that were learnt on some trials may be used on others: equivalence against a margin."""
