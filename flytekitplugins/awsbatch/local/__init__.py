"""The one composer: from a task call in flytekit to its outputs, through admin, propeller and a Batch service."""
