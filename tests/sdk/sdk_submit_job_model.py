"""Makes `flytekitplugins/awsbatch/submit_job.json` out of the service model that botocore ships.

    python tests/sdk/sdk_submit_job_model.py

The package itself carries the file so that checking a config imports no botocore.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session

from flytekitplugins.awsbatch.shape_walker import described_shape

FILE = Path(__file__).parent.parent.parent / "flytekitplugins" / "awsbatch" / "submit_job.json"


def submit_job_model() -> dict[str, Any]:
    """The request of AWS Batch's SubmitJob as nested `{"type": ...}` descriptions."""
    service = botocore.session.get_session().get_service_model("batch")
    return {"apiVersion": service.api_version, "request": described_shape(service.shape_for("SubmitJobRequest"))}


if __name__ == "__main__":
    FILE.write_text(json.dumps(submit_job_model(), separators=(",", ":")) + "\n", encoding="utf-8")
