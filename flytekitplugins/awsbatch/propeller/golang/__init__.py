"""Behaviour of Go and its libraries that Flyte's results depend on, one module per library. No knowledge of Flyte."""
