"""From a task call in flytekit to its outputs."""
