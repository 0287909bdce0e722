"""Jobs: SubmitJob, DescribeJobs, ListJobs, CancelJob, TerminateJob, and the last two for several jobs."""

from __future__ import annotations

import glob
import json
import os
import re
import uuid
from collections.abc import Iterable
from typing import Any

from ..arns import DEFINITION, JOB, QUEUE, split_arn_revision
from ..job_model import CANCEL, ENDED, RUNNING, STARTING, TERMINATE, Job, Unit, split_job_id
from ..job_spec import job_spec_of
from ..scheduling.capacity import ENABLED
from ..scheduling.dependencies import N_TO_N
from ..settings import ENFORCE
from ..store.job_rows import Summary
from ..store.resources import ACTIVE
from . import request_rules
from .batch_errors import client_error, server_error
from .context import MAX_IDS, Answer, Context, Request
from .describe import Descriptions, list_jobs_summary_of_row, list_jobs_summary_of_unit
from .job_queues import FARGATE_CONTAINERS
from .job_submission import job_detail_of_submission, unstartable_submission
from .paging import NUMBERS, page_position, page_size, page_token

PAGE = 1000
FILTERED_PAGE = 100
# CancelJobs.jobs, TerminateJobs.jobs: "An array of up to 50 Batch job IDs".
MOST_STOPPED = 50
# A tag of a queue that stands for a deployment's own, whose scheduling policy and compute environments are unknown: it
# takes jobs with and without a share identifier, for EC2 and for Fargate.
DEPLOYMENT_QUEUE_TAG = "awsbatch:share-identifiers"


class JobOperations:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._descriptions = Descriptions(context.arns)

    def submit(self, request: Request, size: int | None = None) -> Answer:
        """Makes a job, or an array of 2 to 10,000 children; both are on disk before it answers. Dependencies on other
        jobs are kept, `SEQUENTIAL` and `N_TO_N` among them.

        :param size: in bytes, of a request that came over HTTP.
        """
        # An empty arrayProperties makes no array: SDKs send what their structures hold.
        array = request.get("arrayProperties") or {}
        request_rules.check_submission_request(request, array, size)
        context = self._context
        if not context.engine.running:
            raise server_error("the service does not run: start it first")
        # aegea reads these words, and makes the queue (base2genomics/batchit#13 has AWS's answer).
        queue_name, queue = context.named(QUEUE, request["jobQueue"], f"JobQueue {request['jobQueue']} not found.")
        if queue["state"] != ENABLED:
            raise client_error(f"JobQueue {queue_name} is {queue['state']}: it takes no new jobs")
        if request.get("shareIdentifier") and DEPLOYMENT_QUEUE_TAG not in queue["tags"]:
            # "Don't specify this parameter if the job queue doesn't have a fair-share scheduling policy."
            raise client_error(f"JobQueue {queue_name} has no scheduling policy: a job for it has no shareIdentifier")
        definition_arn, active, definition = context.definition(request["jobDefinition"])
        if not active:
            raise client_error(f"JobDefinition {definition_arn} is not {ACTIVE}")
        if DEPLOYMENT_QUEUE_TAG not in queue["tags"] and context.settings.fargate_rules == ENFORCE:
            on_fargate = queue["jobQueueType"] == FARGATE_CONTAINERS
            request_rules.check_request_platform(definition.get("platformCapabilities"), on_fargate)
        spec = job_spec_of(job_detail_of_submission(request, definition, definition_arn, queue["jobQueueArn"]))
        request_rules.check_request_references(spec.detail["container"]["command"], spec.detail["parameters"])
        if spec.dependencies:
            self._check_dependencies(request, array.get("size"))
        job_id = new_job_id()
        created = context.clock.now_ms()
        job = Job(job_id, spec, array.get("size"), created, context.table.owner, remote=size is not None)
        context.rows.add_job(job)
        context.engine.add_job(job, unstartable_submission(request, definition, spec))
        return {"jobArn": context.arns.of(JOB, job_id), "jobName": spec.name, "jobId": job_id}

    def describe(self, request: Request) -> Answer:
        """Describes up to 100 jobs or children (`<job>:<index>`). Unknown ids are left out."""
        answer: Answer = json.loads(self.describe_jobs_text(request))
        return answer

    def describe_jobs_text(self, request: Request) -> str:
        """The same as JSON."""
        with self._context.table.lock:
            return f'{{"jobs":[{",".join(map(self._descriptions.text, self._wanted(request)))}]}}'

    def _wanted(self, request: Request) -> list[Job | Unit]:
        return [target for each in _ids_of(request, MAX_IDS) if (target := self._find(each)) is not None]

    def cancel(self, request: Request) -> Answer:
        """Fails a job that has not started; one that has is left alone. Of an array, its children likewise."""
        return self._stop(request, CANCEL)

    def terminate(self, request: Request) -> Answer:
        """Ends a job, running or not. A job that has ended is left as it is."""
        return self._stop(request, TERMINATE)

    def cancel_several(self, request: Request) -> Answer:
        """Does to up to 50 jobs what `CancelJob` does to one. An id that no job can have is among the errors."""
        return self._stop_several(request, CANCEL)

    def terminate_several(self, request: Request) -> Answer:
        """Does to up to 50 jobs what `TerminateJob` does to one. An id that no job can have is among the errors."""
        return self._stop_several(request, TERMINATE)

    def list_jobs(self, request: Request) -> Answer:
        """Lists the jobs of a queue, or the children of an array: by status, or by one of the filters `JOB_NAME`,
        `JOB_DEFINITION`, `BEFORE_CREATED_AT`, `AFTER_CREATED_AT` and `SHARE_IDENTIFIER`, a page at a time."""
        sources = [key for key in ("jobQueue", "arrayJobId", "multiNodeJobId") if request.get(key)]
        if len(sources) != 1:
            raise client_error("ListJobs needs exactly one of jobQueue, arrayJobId and multiNodeJobId")
        status = request.get("jobStatus")
        if request.get("multiNodeJobId"):
            raise client_error("multi-node parallel jobs: not supported here")
        if request.get("arrayJobId"):
            return self._children(request, status or RUNNING)
        return self._of_queue(request, status)

    def _children(self, request: Request, status: str) -> Answer:
        if request.get("filters"):
            raise client_error("filters do not apply to the children of an array job")
        size = page_size(request, PAGE)
        start = page_position(request.get("nextToken"), 0, 0)
        with self._context.table.lock:
            job = self._find(request["arrayJobId"])
            if not isinstance(job, Job) or job.size is None:
                raise client_error(f"{request['arrayJobId']} is no array job")
            found: list[Unit] = []
            # One more than the page shows tells whether there is another.
            for unit in job.units[start:] if job.counts[status] else ():
                if unit.status == status:
                    found.append(unit)
                    if len(found) > size:
                        break
            answer: Answer = {
                "jobSummaryList": [list_jobs_summary_of_unit(unit, self._context.arns) for unit in found[:size]]
            }
        if len(found) > size:
            answer["nextToken"] = page_token(found[size].index)
        return answer

    def _of_queue(self, request: Request, status: str | None) -> Answer:
        queue, _ = self._context.named(QUEUE, request["jobQueue"])
        filters = request.get("filters") or []
        if len(filters) > 1:
            raise client_error("only one filter can be used at a time")
        where = [self._condition(each.get("name"), each.get("values") or []) for each in filters]
        # Filters search jobs of every status, except the one that needs a status.
        by_share = bool(filters) and filters[0].get("name") == "SHARE_IDENTIFIER"
        status = (status if by_share else None) if filters else status or RUNNING
        size = page_size(request, FILTERED_PAGE if filters else PAGE)
        before = page_position(request.get("nextToken"), 0, NUMBERS[-1])
        self._context.engine.write_behind.write_behind_now()
        rows = self._context.rows.job_row_summaries(queue, status, where, before, size + 1)
        answer: Answer = {"jobSummaryList": [self._summary(row, bool(filters)) for row in rows[:size]]}
        if len(rows) > size:
            answer["nextToken"] = page_token(rows[size - 1].seq)
        return answer

    def _summary(self, row: Summary, filtered: bool) -> dict[str, Any]:
        summary = list_jobs_summary_of_row(row, self._context.arns)
        if filtered:
            # AWS shows it to a caller with a filter only (aws/aws-sdk#588).
            summary["jobDefinition"] = row.definition
        if row.size is not None:
            with self._context.table.lock:
                job = self._context.table.job_in_memory(row.id)
                known = (dict(job.counts), job.counted) if job is not None else None
            counts, counted = known or self._context.rows.child_counts(row.seq)
            summary["arrayProperties"] |= {
                "statusSummary": counts,
                "statusSummaryLastUpdatedAt": max(counted, row.created),
            }
        return summary

    def _condition(self, name: str | None, values: list[str]) -> tuple[str, Any]:
        """A filter as a condition of SQL and its value."""
        if len(values) != 1:
            raise client_error(f"filter {name}: expected one value")
        value = values[0]
        if name == "JOB_NAME":
            # LIKE ignores case, as the filter does.
            return "j.name LIKE ? ESCAPE '\\'", _like(value)
        if name == "JOB_DEFINITION":
            return "j.definition GLOB ?", self._definition_glob(value)
        if name in ("BEFORE_CREATED_AT", "AFTER_CREATED_AT"):
            if re.fullmatch("[0-9]{1,18}", value) is None:
                raise client_error(f"filter {name} value {value!r}: expected milliseconds since the epoch")
            return f"j.created {'<' if name == 'BEFORE_CREATED_AT' else '>'} ?", int(value)
        if name == "SHARE_IDENTIFIER":
            return "json_extract(j.detail, '$.shareIdentifier') = ?", value
        raise client_error(
            f"filter {name!r}: expected JOB_NAME, JOB_DEFINITION, BEFORE_CREATED_AT, AFTER_CREATED_AT or"
            " SHARE_IDENTIFIER"
        )

    def _definition_glob(self, value: str) -> str:
        """Case counts here. A name means any revision."""
        if value.startswith("arn:"):
            return glob.escape(value)
        prefix = glob.escape(self._context.arns.of(DEFINITION, ""))
        if value.endswith("*"):
            return prefix + glob.escape(value[:-1]) + "*"
        name, revision = split_arn_revision(value)
        return prefix + glob.escape(name) + (f":{revision}" if revision is not None else ":*")

    def _stop(self, request: Request, how: str) -> Answer:
        """On a parent it reaches the children. A job that has ended, and one that is unknown, is left alone (AWS
        answers 200).
        """
        request_rules.check_stop_request(request, "jobId")
        self._stop_job(request["jobId"], request["reason"], how)
        return {}

    def _stop_several(self, request: Request, how: str) -> Answer:
        """Jobs that are unknown are among the successful ones, as AWS says."""
        request_rules.check_stop_request(request, "jobs")
        answer: Answer = {"successful": [], "errors": []}
        for job_id in _ids_of(request, MOST_STOPPED):
            if problem := _malformed(job_id):
                answer["errors"].append({"job": job_id, "code": "ValidationException", "message": problem})
            else:
                self._stop_job(job_id, request["reason"], how)
                answer["successful"].append(job_id)
        return answer

    def _stop_job(self, job_id: str, words: str, how: str) -> None:
        table, engine = self._context.table, self._context.engine
        with table.lock:
            target = self._find(job_id)
            job = target.job if isinstance(target, Unit) else target
            if target is None or job is None or not table.runs(job.id):
                return
            units = [target] if isinstance(target, Unit) else target.units
            # CancelJob: "Jobs that progressed to the STARTING or RUNNING state aren't cancelled."
            stays = ENDED if how == TERMINATE else ENDED | {STARTING, RUNNING}
            reached = [each for each in units if each.status not in stays]
            if reached and target is job and job.size is not None:
                job.reason, job.stop = words, how
                table.note_job_change(job)
            engine.stop_units(reached, how, words)

    def _find(self, job_id: str) -> Job | Unit | None:
        try:
            parent, index = split_job_id(job_id)
        except ValueError:
            return None
        job = self._context.table.find(parent)
        return job if job is None or index is None else job.unit(index)

    def _check_dependencies(self, request: Request, size: int | None) -> None:
        for each in request.get("dependsOn") or ():
            if not each.get("jobId"):
                continue
            target = self._find(each["jobId"])
            if target is None:
                raise client_error(f"dependsOn: job {each['jobId']} does not exist")
            if each.get("type") == N_TO_N and (not isinstance(target, Job) or target.size != size):
                raise client_error(f"dependsOn: job {each['jobId']} is no array of the same size, as N_TO_N needs")


def _ids_of(request: Request, most: int) -> Iterable[str]:
    """The jobs that a request names, each once."""
    ids = request["jobs"]
    if len(ids) > most:
        raise client_error(f"jobs names {len(ids)} ids: at most {most}")
    return dict.fromkeys(ids)


def _malformed(job_id: str) -> str:
    """Why no job can have this id; "" if one can."""
    try:
        split_job_id(job_id)
    except ValueError as error:
        return str(error)
    return "" if job_id else "a job's id must not be empty"


def new_job_id() -> str:
    """A random UUID, whatever a test puts in the place of `uuid.uuid4`."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def _like(value: str) -> str:
    """A name that may end in an asterisk as a pattern of LIKE."""
    begins = value.endswith("*")
    text = value[:-1] if begins else value
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return text + ("%" if begins else "")
