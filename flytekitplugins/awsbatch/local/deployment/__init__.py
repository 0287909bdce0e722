"""One emulated deployment in this process: its Batch service, its jobs' environment, what interpreters preload."""
