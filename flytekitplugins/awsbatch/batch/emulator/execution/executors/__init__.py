"""How attempts are really run: one protocol, one module a way."""
