"""What is known to go wrong on a real cluster, looked for in a task before it gets there. It changes nothing.

It is imported only when a task is put on the wire or a user asks: `codes` has the codes and their rules,
`lint_warnings` tells what they find.
"""
