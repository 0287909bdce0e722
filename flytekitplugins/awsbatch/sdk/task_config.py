"""What a user says about a job on AWS Batch, in the names of AWS's SubmitJob, checked when it is written.

It submits nothing: the handler copies the fields into its request (`FlyteTaskToBatchInput` in Flyte's
`awsbatch/transformer.go`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dataclasses_json import DataClassJsonMixin

EC2 = "EC2"
FARGATE = "FARGATE"
SHARE_IDENTIFIER = "shareIdentifier"
SCHEDULING_PRIORITY_OVERRIDE = "schedulingPriorityOverride"

# AWS's page "Tag your AWS Batch resources": letters, digits and spaces of any language, and these.
TAG_TEXT = re.compile(r"[\w\s+\-=.:/@]*")
MAX_TAGS = 50
MAX_TAG_KEY = 128
MAX_TAG_VALUE = 256
MAX_PRIORITY = 9999
# The codes of docs/reference/lint.md, which `lint.codes` describes.
ERRORS = frozenset(f"AB{number:03}" for number in range(1, 14))
WARNINGS = frozenset(f"AB{number}" for number in range(101, 119))
LINT_CODES = ERRORS | WARNINGS


@dataclass
class AWSBatchConfig(DataClassJsonMixin):  # type: ignore[misc]
    """The `task_config` of a task that runs on AWS Batch.

    :param parameters: replace `Ref::name` placeholders of the job's command.
    :param schedulingPriority: 0 to 9999, counts on queues with a fair-share policy; those need a share identifier, so
        it is sent only beside `extra={"shareIdentifier": ...}`.
    :param platformCapabilities: `EC2` or `FARGATE`, what the job definition asks for.
    :param propagateTags: whether the ECS task gets the job's tags too.
    :param tags: of the job, at most 50.
    :param extra: any other field of SubmitJob that the handler leaves alone, such as `shareIdentifier` or `dependsOn`.
    :param lint_ignore: codes of docs/reference/lint.md that are fine for this task.
    :raises ValueError: for what AWS Batch would refuse; the message lists everything that is wrong.
    :raises TypeError: for a field that does not exist.
    """

    parameters: dict[str, str] | None = None
    schedulingPriority: int | None = None
    platformCapabilities: str = EC2
    propagateTags: bool | None = None
    tags: dict[str, str] | None = None
    extra: dict[str, Any] | None = None
    lint_ignore: list[str] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> AWSBatchConfig:
        # Before the generated __init__, whose own error names the field and nothing else.
        names = [one.name for one in dataclasses.fields(cls)]
        for name in kwargs:
            if name not in names:
                from .submit_job import advice_on_field

                raise TypeError(f"AWSBatchConfig has no field {name!r}{advice_on_field(name, names)}")
        made: AWSBatchConfig = super().__new__(cls)
        return made

    def __post_init__(self) -> None:
        _rich_traceback_omit = __tracebackhide__ = True
        wrong = [
            *_text_mapping("parameters", self.parameters),
            *_priority_complaints(self.schedulingPriority),
            *_platform_complaints(self.platformCapabilities),
            *_tag_complaints(self.tags),
            *task_config_complaints(self.lint_ignore),
        ]
        if self.propagateTags is not None and not isinstance(self.propagateTags, bool):
            wrong.append(f"propagateTags is {self.propagateTags!r}; expected True or False")
        if self.extra is not None:
            from .submit_job import submit_job_extra_complaints

            wrong += submit_job_extra_complaints(self.extra)
            if self.schedulingPriority is not None and SCHEDULING_PRIORITY_OVERRIDE in self.extra:
                wrong.append(
                    f"schedulingPriority is sent as {SCHEDULING_PRIORITY_OVERRIDE}; extra has that too, drop one"
                )
        if wrong:
            raise ValueError("AWSBatchConfig: " + "; ".join(wrong))

    def submit_job_fields(self) -> dict[str, Any]:
        """The SubmitJob fields for a template's `custom`: what was set, under the names that the handler reads."""
        fields: dict[str, Any] = {
            "parameters": self.parameters or None,
            "propagateTags": self.propagateTags,
            "tags": self.tags or None,
        }
        if self.schedulingPriority is not None and SHARE_IDENTIFIER in (self.extra or {}):
            fields[SCHEDULING_PRIORITY_OVERRIDE] = self.schedulingPriority
        return {**{name: value for name, value in fields.items() if value is not None}, **(self.extra or {})}


def _text_mapping(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, dict):
        return [f"{name} is {value!r}; expected a dict of texts"]
    wrong = [f"{name} has the key {key!r}; expected a text{_as_text(key)}" for key in value if not isinstance(key, str)]
    return wrong + [
        f"{name}[{key!r}] is {one!r}; expected a text{_as_text(one)}"
        for key, one in value.items()
        if not isinstance(one, str)
    ]


def _as_text(value: Any) -> str:
    return "" if value is None else f", such as {str(value)!r}"


def _priority_complaints(value: Any) -> list[str]:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_PRIORITY):
        return []
    return [f"schedulingPriority is {value!r}; expected a whole number from 0 to {MAX_PRIORITY}"]


def _platform_complaints(value: Any) -> list[str]:
    return [] if value in (EC2, FARGATE) else [f"platformCapabilities is {value!r}; expected {EC2!r} or {FARGATE!r}"]


def _tag_complaints(tags: Any) -> list[str]:
    wrong = _text_mapping("tags", tags)
    if wrong or tags is None:
        return wrong
    if len(tags) > MAX_TAGS:
        wrong.append(f"tags has {len(tags)} entries; AWS takes {MAX_TAGS}")
    for key, value in tags.items():
        if not 1 <= len(key) <= MAX_TAG_KEY:
            wrong.append(f"the tag key {key!r} has {len(key)} characters; AWS takes 1 to {MAX_TAG_KEY}")
        if len(value) > MAX_TAG_VALUE:
            wrong.append(f"tags[{key!r}] has {len(value)} characters; AWS takes {MAX_TAG_VALUE}")
        if key.lower().startswith("aws:"):
            wrong.append(f"the tag key {key!r} begins with 'aws:', which AWS keeps for itself")
        for text in (key, value):
            if not TAG_TEXT.fullmatch(text):
                wrong.append(f"{text!r} in tags: AWS takes letters, digits, spaces and + - = . _ : / @")
    return wrong


def task_config_complaints(codes: Any) -> list[str]:
    if codes is None:
        return []
    if isinstance(codes, str) or not isinstance(codes, Sequence):
        return [f"lint_ignore is {codes!r}; expected a list of codes such as ['AB111']"]
    return [
        f"lint_ignore has {code!r}; expected a code such as 'AB111', of {min(ERRORS)} to {max(ERRORS)} and "
        f"{min(WARNINGS)} to {max(WARNINGS)}"
        for code in codes
        if not isinstance(code, str) or code not in LINT_CODES
    ]
