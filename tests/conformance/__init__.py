"""Cases that Flyte's own code was run with, run through ours: `python -m tests.conformance --help`."""
