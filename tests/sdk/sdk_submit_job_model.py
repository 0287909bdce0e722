"""Makes `flytekitplugins/awsbatch/sdk/submit_job.json` out of the service model that botocore ships.

    python tests/sdk/sdk_submit_job_model.py

The package itself carries the file so that checking a config imports no botocore.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session

FILE = Path(__file__).parent.parent.parent / "flytekitplugins" / "awsbatch" / "sdk" / "submit_job.json"
CONSTRAINTS = ("min", "max", "pattern", "enum")


def submit_job_model() -> dict[str, Any]:
    """The request of AWS Batch's SubmitJob as nested `{"type": ...}` descriptions."""
    service = botocore.session.get_session().get_service_model("batch")
    return {"apiVersion": service.api_version, "request": described(service.shape_for("SubmitJobRequest"))}


def described(shape: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"type": shape.type_name}
    found |= {name: shape.metadata[name] for name in CONSTRAINTS if name in shape.metadata}
    if shape.type_name == "structure":
        found["members"] = {name: described(member) for name, member in shape.members.items()}
        if shape.required_members:
            found["required"] = list(shape.required_members)
    elif shape.type_name == "list":
        found["member"] = described(shape.member)
    elif shape.type_name == "map":
        found |= {"key": described(shape.key), "value": described(shape.value)}
    return found


if __name__ == "__main__":
    FILE.write_text(json.dumps(submit_job_model(), separators=(",", ":")) + "\n", encoding="utf-8")
