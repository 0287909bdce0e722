"""What FlytePropeller does with a task: the node around it (`node`) and the AWS Batch handler (`aws_array`)."""
