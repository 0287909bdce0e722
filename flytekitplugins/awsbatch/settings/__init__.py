"""Reads a deployment's YAML, with file and line, into the sections that their owners define."""
