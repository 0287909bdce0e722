"""AWS Batch: the interface (`api`), the client of a real account (`aws`), the local service (`emulator`)."""
