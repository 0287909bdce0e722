"""What FlyteAdmin decides at launch: the job queue and the role of an execution."""
