"""Which job runs where and when: jobs in memory, the ready queue, placement, dependencies, retry rules, the engine."""
