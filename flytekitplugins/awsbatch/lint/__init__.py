"""What is known to go wrong on a real cluster, looked for in a task before it gets there. It changes nothing.

Imported only when a task is put on the wire or a user asks: `checks` finds, `report` tells, `codes` lists.
"""
