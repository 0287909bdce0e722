"""Jobs: SubmitJob, DescribeJobs, ListJobs, CancelJob, TerminateJob."""

from __future__ import annotations

import random
import secrets
from typing import Any

from flytekitplugins.awsbatch.batch.emulator.arns import DEFINITION, split_revision
from flytekitplugins.awsbatch.batch.emulator.job_model import (
    CANCEL,
    CANCELLABLE,
    ENDED,
    RUNNING,
    STATUSES,
    TERMINATE,
    Job,
    Unit,
    split_id,
)
from flytekitplugins.awsbatch.batch.emulator.operations import rules
from flytekitplugins.awsbatch.batch.emulator.operations.core import (
    Answer,
    Core,
    Request,
    page_size,
    position_of,
    token_for,
)
from flytekitplugins.awsbatch.batch.emulator.operations.describe import Descriptions, summary_of_row, summary_of_unit
from flytekitplugins.awsbatch.batch.emulator.operations.errors import failed, refused
from flytekitplugins.awsbatch.batch.emulator.operations.submission import Specs
from flytekitplugins.awsbatch.batch.emulator.scheduling.capacity import ENABLED
from flytekitplugins.awsbatch.batch.emulator.scheduling.dependencies import N_TO_N
from flytekitplugins.awsbatch.batch.emulator.store.resources import ACTIVE

PAGE = 1000
RANDOM = random.Random(secrets.randbits(256))  # noqa: S311 - ids are no secrets
VARIANT = "89ab"
FILTERED_PAGE = 100
# Beyond every job's number.
LAST = (1 << 63) - 1


class JobOperations:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._descriptions = Descriptions(core.arns)
        self._specs = Specs()

    def submit(self, request: Request, size: int | None = None) -> Answer:
        """:param size: of a request that came from afar, in bytes."""
        # An empty arrayProperties makes no array: SDKs send what their structures hold.
        array = request.get("arrayProperties") or {}
        rules.submission(request, array, size)
        core = self._core
        if not core.engine.running:
            raise failed("the service does not run: start it first")
        queue_name, queue = core.queue(request["jobQueue"])
        if queue["state"] != ENABLED:
            raise refused(f"JobQueue {queue_name} is {queue['state']}: it takes no new jobs")
        definition_arn, active, definition = core.definition(request["jobDefinition"])
        if not active:
            raise refused(f"JobDefinition {definition_arn} is not {ACTIVE}")
        spec, detail = self._specs.of(request, definition, definition_arn, queue["jobQueueArn"])
        if spec.dependencies:
            self._check_dependencies(request, array.get("size"))
        job_id = new_id()
        job = Job(job_id, spec, array.get("size"), core.clock.now(), core.board.owner, remote=size is not None)
        core.stored.add(job, detail)
        core.engine.add(job)
        return {"jobArn": core.arns.of("job", job_id), "jobName": spec.name, "jobId": job_id}

    def describe(self, request: Request) -> Answer:
        """Unknown ids are left out. An id may be a child's."""
        with self._core.board.lock:
            return {"jobs": [self._descriptions.mapping(target) for target in self._wanted(request)]}

    def describe_text(self, request: Request) -> str:
        """The same as JSON."""
        with self._core.board.lock:
            return f'{{"jobs":[{",".join(map(self._descriptions.text, self._wanted(request)))}]}}'

    def _wanted(self, request: Request) -> list[Job | Unit]:
        wanted = request["jobs"]
        if len(wanted) > rules.MAX_IDS:
            raise refused(f"jobs names {len(wanted)} ids: at most {rules.MAX_IDS}")
        return [target for each in dict.fromkeys(wanted) if (target := self._find(each)) is not None]

    def cancel(self, request: Request) -> Answer:
        return self._stop(request, CANCEL)

    def terminate(self, request: Request) -> Answer:
        return self._stop(request, TERMINATE)

    def list_jobs(self, request: Request) -> Answer:
        sources = [key for key in ("jobQueue", "arrayJobId", "multiNodeJobId") if request.get(key)]
        if len(sources) != 1:
            raise refused("ListJobs needs exactly one of jobQueue, arrayJobId and multiNodeJobId")
        status = request.get("jobStatus")
        if status is not None and status not in STATUSES:
            raise refused(f"jobStatus {status!r}: expected one of {', '.join(STATUSES)}")
        if request.get("multiNodeJobId"):
            raise refused("multi-node parallel jobs: not supported here")
        if request.get("arrayJobId"):
            return self._children(request, status or RUNNING)
        return self._of_queue(request, status)

    def _children(self, request: Request, status: str) -> Answer:
        if request.get("filters"):
            raise refused("filters do not apply to the children of an array job")
        size = page_size(request, PAGE)
        start = position_of(request.get("nextToken"), 0, 0)
        with self._core.board.lock:
            job = self._find(request["arrayJobId"])
            if not isinstance(job, Job) or job.size is None:
                raise refused(f"{request['arrayJobId']} is no array job")
            found: list[Unit] = []
            # One more than the page shows tells whether there is another.
            for unit in job.units[start:] if job.counts[status] else ():
                if unit.status == status:
                    found.append(unit)
                    if len(found) > size:
                        break
            answer: Answer = {"jobSummaryList": [summary_of_unit(unit, self._core.arns) for unit in found[:size]]}
        if len(found) > size:
            answer["nextToken"] = token_for(found[size].index)
        return answer

    def _of_queue(self, request: Request, status: str | None) -> Answer:
        queue, _ = self._core.queue(request["jobQueue"])
        filters = request.get("filters") or []
        where = self._conditions(filters)
        # A filter looks at jobs of every status, but for the one that goes with a status.
        by_share = bool(filters) and filters[0].get("name") == "SHARE_IDENTIFIER"
        status = (status if by_share else None) if filters else status or RUNNING
        size = page_size(request, FILTERED_PAGE if filters else PAGE)
        before = position_of(request.get("nextToken"), 0, LAST)
        self._core.engine.writing.now()
        rows = self._core.stored.summaries(queue, status, where, before, size + 1)
        answer: Answer = {"jobSummaryList": [summary_of_row(row, self._core.arns) for row in rows[:size]]}
        if len(rows) > size:
            answer["nextToken"] = token_for(rows[size - 1].seq)
        return answer

    def _conditions(self, filters: list[dict[str, Any]]) -> list[tuple[str, Any]]:
        if len(filters) > 1:
            raise refused("only one filter can be used at a time")
        conditions: list[tuple[str, Any]] = []
        for each in filters:
            values = each.get("values") or []
            if len(values) != 1:
                raise refused(f"filter {each.get('name')}: expected one value")
            value = values[0]
            if each.get("name") == "JOB_NAME":
                # LIKE ignores case, as the filter does.
                conditions.append(("j.name LIKE ? ESCAPE '\\'", like(value)))
            elif each.get("name") == "JOB_DEFINITION":
                conditions.append(("j.definition GLOB ?", self._definition_glob(value)))
            elif each.get("name") in ("BEFORE_CREATED_AT", "AFTER_CREATED_AT"):
                if not value.isdigit():
                    raise refused(f"filter {each['name']} value {value!r}: expected milliseconds since the epoch")
                comparison = "<" if each["name"] == "BEFORE_CREATED_AT" else ">"
                conditions.append((f"j.created {comparison} ?", int(value)))
            elif each.get("name") == "SHARE_IDENTIFIER":
                conditions.append(("json_extract(j.detail, '$.shareIdentifier') = ?", value))
            else:
                raise refused(
                    f"filter {each.get('name')!r}: expected JOB_NAME, JOB_DEFINITION, BEFORE_CREATED_AT,"
                    " AFTER_CREATED_AT or SHARE_IDENTIFIER"
                )
        return conditions

    def _definition_glob(self, value: str) -> str:
        """Case counts here. A name means any revision."""
        if value.startswith("arn:"):
            return glob_escaped(value)
        prefix = glob_escaped(self._core.arns.of(DEFINITION, ""))
        if value.endswith("*"):
            return prefix + glob_escaped(value[:-1]) + "*"
        name, revision = split_revision(value)
        return prefix + glob_escaped(name) + (f":{revision}" if revision is not None else ":*")

    def _stop(self, request: Request, how: str) -> Answer:
        """On a parent it reaches the children. A job that has ended, and one that is unknown, is left alone (AWS
        answers 200).
        """
        rules.stop_request(request)
        words = request["reason"]
        board, engine = self._core.board, self._core.engine
        with board.lock:
            target = self._find(request["jobId"])
            if target is None:
                return {}
            if isinstance(target, Unit):
                if board.mine(target.job.id) is not None:
                    engine.stop([target], how, words)
            elif not target.ended() and board.mine(target.id) is not None:
                if target.size is not None:
                    target.reason, target.stop = words, how
                    board.job_changed(target)
                reached = CANCELLABLE if how == CANCEL else None
                units = [unit for unit in target.units if unit.status not in ENDED]
                engine.stop([unit for unit in units if reached is None or unit.status in reached], how, words)
        return {}

    def _find(self, job_id: str) -> Job | Unit | None:
        try:
            parent, index = split_id(job_id)
        except ValueError:
            return None
        job = self._core.board.find(parent)
        return job if job is None or index is None else job.unit(index)

    def _check_dependencies(self, request: Request, size: int | None) -> None:
        for each in request.get("dependsOn") or ():
            if not each.get("jobId"):
                continue
            target = self._find(each["jobId"])
            if target is None:
                raise refused(f"dependsOn: job {each['jobId']} does not exist")
            if each.get("type") == N_TO_N and (not isinstance(target, Job) or target.size != size):
                raise refused(f"dependsOn: job {each['jobId']} is no array of the same size, as N_TO_N needs")


def new_id() -> str:
    """A random UUID (version 4), without asking the system for each."""
    text = f"{RANDOM.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{VARIANT[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"


def like(value: str) -> str:
    """A name that may end in an asterisk as a pattern of LIKE."""
    begins = value.endswith("*")
    text = value[:-1] if begins else value
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return text + ("%" if begins else "")


def glob_escaped(value: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in value)
