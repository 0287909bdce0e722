"""AWS Batch for flytekit."""
