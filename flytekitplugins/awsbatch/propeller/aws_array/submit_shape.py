"""The SubmitJob request of the AWS SDK that Flyte v1.16.8 is built with (aws-sdk-go v1.55.5): AWS's own, without the
members that are newer, which Flyte ignores.
"""

from __future__ import annotations

from flytekitplugins.awsbatch.shape_walker import Shape, submit_job_shape

# Members of SubmitJob's structures, and of `metadata` in a pod's properties, that are newer than Flyte's SDK.
NEWER_MEMBERS = {"consumableResourcePropertiesOverride", "annotations", "namespace"}


def _known_to_flyte(shape: Shape) -> Shape:
    """The shape without newer members; members and required ones by their names, which is how the SDK goes through
    them.
    """
    known = dict(shape)
    if shape["type"] == "structure":
        members = {name: _known_to_flyte(shape["members"][name]) for name in sorted(shape["members"])}
        known["members"] = {name: member for name, member in members.items() if name not in NEWER_MEMBERS}
        known["required"] = sorted(shape.get("required", ()))
    elif shape["type"] == "list":
        known["member"] = _known_to_flyte(shape["member"])
    return known


SUBMIT_JOB = _known_to_flyte(submit_job_shape())
