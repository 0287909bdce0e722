"""The `flyte-awsbatch` command."""
