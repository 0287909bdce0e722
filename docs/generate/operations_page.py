"""docs/reference/operations.md: the operations of the local AWS Batch, from the table that dispatches them."""

from __future__ import annotations

from contextlib import closing

from flytekitplugins.awsbatch.batch.emulator.service import LocalBatch

from .docstrings import docstring
from .markdown import code, page, table

INTRODUCTION = """\
The [local AWS Batch](batch-service.md) carries these operations out, whichever way they come: through boto3, the AWS
CLI or the Go SDK with `flyte-awsbatch serve`, or in process. Requests are checked against the service model that
botocore ships, and then against AWS's own rules. Names, fields and answers are those of AWS's API reference.
"""
OTHERS = """\
## What is not there

Any other operation, and a request that asks for one of these things, gets a `ClientException` that says "not supported
here": multi-node jobs, EKS and ECS task properties, scheduling policies (fair share), consumable resources, service
environments and service jobs.

## CloudWatch Logs

Of CloudWatch Logs there is what a user of Batch needs, for the group `/aws/batch/job`.

| operation | notes |
|---|---|
| `DescribeLogGroups` | the one group |
| `DescribeLogStreams` | one stream per attempt that has started |
| `GetLogEvents` | as `aws logs get-log-events` reads them |
| `FilterLogEvents` | as `aws logs tail` reads them; of patterns, terms, quoted phrases, `?optional` and `-excluded` |
"""


def operations_page() -> str:
    with closing(LocalBatch(None)) as batch:
        known = dict(batch.calls._operations)
    rows = [(code(name), docstring(perform).text) for name, perform in sorted(known.items())]
    return page(
        "Operations of the local AWS Batch",
        "`batch/emulator/operations`",
        [INTRODUCTION, "## AWS Batch", table(("operation", "what it does here"), rows), OTHERS],
    )
