"""The SDK: what a user writes, checked where it is written, and what `pyflyte register` sends of it."""
