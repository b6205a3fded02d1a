"""Whether a judge's errors learnt on some trials may be used on others: equivalence against a margin said beforehand."""
