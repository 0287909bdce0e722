"""The fast path of children that are forked on this machine. Anything unusual is left to flytekit's own way."""
