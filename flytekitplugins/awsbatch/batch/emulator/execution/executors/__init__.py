"""How attempts are really run: one protocol, and one module for each way to do it."""
