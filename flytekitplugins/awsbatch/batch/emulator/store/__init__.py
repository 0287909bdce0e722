"""The service's state in SQLite: what AWS Batch keeps for its accounts. One file under the home, or in memory."""
