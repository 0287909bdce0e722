"""A Python interpreter that has imported what a job needs and forks one process for each attempt of it. Standard
library alone.
"""
