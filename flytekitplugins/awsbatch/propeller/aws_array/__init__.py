"""The aws_array handler: one module per step, one table of phases."""
