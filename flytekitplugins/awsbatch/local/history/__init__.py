"""What a home remembers of its runs: records, listing, pruning, and what of a dead run still counts."""
