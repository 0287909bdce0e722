"""The page of a home's runs: served while they go (`flyte-awsbatch ui`, `serve`), or as one file (`report`).

Reads `local/history` only, and changes nothing.
"""
