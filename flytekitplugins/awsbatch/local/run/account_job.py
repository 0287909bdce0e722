"""What a job has or needs in an account only: tags by which people find it, and a machine that can hold it. Pure."""

from __future__ import annotations

import re

from flytekitplugins.awsbatch.account.walk import TaskNeed
from flytekitplugins.awsbatch.propeller.aws_array.job_definition import DEFAULT_PLATFORM
from flytekitplugins.awsbatch.propeller.aws_array.job_resources import job_resources
from flytekitplugins.awsbatch.propeller.aws_array.submit_input import read_submit_custom
from flytekitplugins.awsbatch.propeller.node.node_request import NodeRequest
from flytekitplugins.awsbatch.propeller.propeller_settings import HandlerSettings
from flytekitplugins.awsbatch.wire import PLATFORM_CAPABILITIES

TAG_PREFIX = "flyte:"
# The characters that AWS takes in the value of a tag, and how many.
_NOT_IN_TAGS = re.compile(r"[^\w .:/=+@-]")
_LONGEST_TAG = 256


def account_job_tags(**said: str) -> dict[str, str]:
    """`project="p"` becomes the tag `flyte:project`."""
    return {f"{TAG_PREFIX}{name}": _NOT_IN_TAGS.sub("_", value)[:_LONGEST_TAG] for name, value in said.items()}


def account_job_needs(request: NodeRequest, queue: str, settings: HandlerSettings) -> TaskNeed:
    """What the node's job will ask of a compute environment. Raises HandlerError."""
    template = request.template
    size = job_resources(
        template.container.resources, request.override_resources, request.platform_resources, settings.k8s
    )
    custom = read_submit_custom(template.custom) if template.HasField("custom") else {}
    return TaskNeed(
        task=template.id.name,
        vcpus=size.vcpus,
        memory=size.memory,
        platform=template.config.get(PLATFORM_CAPABILITIES) or DEFAULT_PLATFORM,
        share_identifier=str(custom.get("shareIdentifier", "")),
        queues=(queue,) if queue else (),
    )
