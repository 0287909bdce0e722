"""The aws_array handler: one module a step, one table of phases."""
