"""The few names that a task template, a child process and the handler share. A leaf: it imports nothing.

Sources: Flyte's `flyteplugins/go/tasks/plugins/array/awsbatch/{transformer,job_definition,job_config}.go`,
flytekit's `flytekit/core/constants.py`, and AWS's page "AWS Batch job environment variables".
"""

from __future__ import annotations

SINGLE_TASK_TYPE = "aws-batch"
ARRAY_TASK_TYPE = "container_array"

MAP_EXECUTE_SCRIPT = "pyflyte-awsbatch-map-execute"
TIMEOUT_SCRIPT = "pyflyte-awsbatch-timeout"
# What the emulation starts in place of `pyflyte-fast-execute` where jobs share a folder for their code.
CODE_MODULE = "flytekitplugins.awsbatch.container.code_distribution"

# Files below a node's input and output prefixes.
INPUTS_FILE = "inputs.pb"
OUTPUTS_FILE = "outputs.pb"
ERROR_FILE = "error.pb"
INDEX_LOOKUP_FILE = "indexlookup.pb"

# The variable that names the variable that holds a child's index, what is added to it, and the stand-in
# that the handler sets where AWS sets none (a job without arrayProperties).
ARRAY_INDEX_VAR_NAME = "BATCH_JOB_ARRAY_INDEX_VAR_NAME"
ARRAY_INDEX_OFFSET = "BATCH_JOB_ARRAY_INDEX_OFFSET"
FAKE_ARRAY_INDEX = "FAKE_JOB_ARRAY_INDEX"
FAIL_ON_ERROR = "FLYTE_FAIL_ON_ERROR"

# Set by AWS Batch in every job.
AWS_JOB_ID = "AWS_BATCH_JOB_ID"
AWS_JOB_ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
AWS_JOB_ARRAY_SIZE = "AWS_BATCH_JOB_ARRAY_SIZE"
AWS_JOB_ATTEMPT = "AWS_BATCH_JOB_ATTEMPT"
AWS_JOB_QUEUE = "AWS_BATCH_JQ_NAME"
AWS_COMPUTE_ENVIRONMENT = "AWS_BATCH_CE_NAME"

# Keys of a task template's config and of its container's config.
PLATFORM_CAPABILITIES = "platformCapabilities"
DYNAMIC_QUEUE = "dynamic_queue"
CHILD_QUEUE = "child_queue"

# Set while a warm interpreter imports what its children need: it acts for jobs, and no job has an id yet.
WARMING = "FLYTE_AWSBATCH_WARMING"

# The scheme of the storage on this machine that stands for S3, see `container/raw_files.py`.
RAW_SCHEME = "awsbatch"

# flytekit's variable in the images that it builds of an ImageSpec (`image_spec/image_spec.py`): the spec's id.
IMAGE_ID = "_F_IMG_ID"

# Switches of this package.
SWITCH = "FLYTE_AWSBATCH"
SWITCH_CONFIG = "FLYTE_AWSBATCH_CONFIG"
SWITCH_HOME = "FLYTE_AWSBATCH_HOME"
SWITCH_RESUME = "FLYTE_AWSBATCH_RESUME"
SWITCH_REPORT = "FLYTE_AWSBATCH_REPORT"


def awsbatch_url(path: str) -> str:
    """The URL that stands for an absolute path in the storage on this machine."""
    return f"{RAW_SCHEME}://{path.lstrip('/')}"


def path_of_awsbatch_url(url: str) -> str | None:
    """The path that such a URL stands for; None for any other reference."""
    key = url.removeprefix(f"{RAW_SCHEME}://")
    return None if key == url else f"/{key}"
