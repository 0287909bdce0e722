"""Cases that Flyte's own code was run with, run through ours: `python -m tests.conformance --help`."""

import sys
from pathlib import Path

# `python -m tests.conformance` runs without pytest, which puts the test helpers on the path.
sys.path.append(str(Path(__file__).parents[1] / "support"))
