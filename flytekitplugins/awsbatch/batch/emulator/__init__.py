"""A local AWS Batch: knows argv, environment and queues, and nothing of flytekit."""
