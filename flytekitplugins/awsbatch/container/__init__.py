"""What runs inside a job: which child it is, which attempt, and how its task is run."""
