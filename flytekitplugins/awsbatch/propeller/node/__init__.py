"""What FlytePropeller does around a task: names, paths, environment, and the attempts of a node."""
