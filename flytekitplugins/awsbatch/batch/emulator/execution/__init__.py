"""From an attempt that may start to a process that has ended: launch, logs, scratch, executors, interpreters."""
