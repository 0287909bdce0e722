"""What goes wrong with a task whatever calls it: cache, retries, timeout, resources, config. Each rule a function."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType

from flyteidl.core.tasks_pb2 import Resources
from flytekit.core.resources import ResourceSpec

from ..sdk.metadata import metadata_attempt_seconds
from ..sdk.task_config import FARGATE, SHARE_IDENTIFIER
from .findings import written_function
from .program import are_program_calls_known, program_maps_over
from .subject import LintSubject

# With a number in it, Python takes the same seed for the hashes of texts in every process.
HASH_SEED = "PYTHONHASHSEED"
# SubmitJob's RetryStrategy: 1 to 10 attempts, the first one included.
MAX_ATTEMPTS = 10
# SubmitJob's JobTimeout.
LEAST_TIMEOUT_SECONDS = 60
# Propeller's: a longer id of a node is replaced by its hash (`maxUniqueIDLength` in `nodes/common/utils.go`).
MAX_NODE_ID_BYTES = 20
KEPT_RESOURCES = (Resources.CPU, Resources.MEMORY)


def cached_single_rule(subject: LintSubject) -> Iterator[str]:
    """Seen on a cluster: the job succeeds, then the node fails after 11 tries (`array/catalog.go` reads the inputs of
    version 0 tasks from a file that nobody writes).

    A workflow that cannot be compiled may be the one that maps the task: flytekit tells then what is wrong with it. A
    `@dynamic` or `@eager` task may map it when it runs."""
    if not subject.metadata.cache or subject.is_array:
        return
    if subject.calls or (are_program_calls_known() and not program_maps_over(subject.task)):
        yield CACHED_SINGLE


CACHED_SINGLE = (
    "is cached and runs as a single job. Its job would succeed and the task still fail, every time, since Flyte "
    "looks for the inputs of the cache entry where nobody writes them. Take cache=... off, or map it."
)


def legacy_map_message(mapping: str) -> str:
    return (
        f"is mapped by flytekit's legacy map_task ({mapping}). Tags and the like are not sent, children of a partly "
        "cached array compute the wrong items, and an error in all of them may count as success. Map it with "
        "flytekitplugins.awsbatch.map_task; the name stays the same."
    )


def useless_cache_rule(subject: LintSubject) -> Iterator[str]:
    if not subject.is_array or not subject.metadata.cache:
        return
    if not subject.inner.python_interface.outputs:
        yield (
            "is cached and has no output. datacatalog refuses entries without outputs: nothing is ever taken from the "
            "cache. Return something, or do not cache."
        )
    if any(
        one.type.collection_type is not None and one.type.collection_type.collection_type is not None
        for one in subject.task.interface.outputs.values()
    ):
        yield (
            "is cached and its items return lists. The aws_array handler stores such entries under another key than "
            "the one that it looks for: no later execution finds them. Return a dict or a dataclass that holds the "
            "list, or do not cache."
        )
    if subject.metadata.cache_ignore_input_vars:
        names = ", ".join(subject.metadata.cache_ignore_input_vars)
        yield (
            f"is cached without the inputs {names}. The aws_array handler writes such entries and never finds them "
            "again: nothing is ever taken from the cache. Leave no inputs out, or do not cache."
        )


def too_many_retries_rule(subject: LintSubject) -> Iterator[str]:
    count = subject.metadata.retries
    if count >= MAX_ATTEMPTS:
        yield (
            f"has retries={count}. The first attempt counts too, and AWS Batch takes {MAX_ATTEMPTS} in all: it refuses "
            f"the job. Use retries={MAX_ATTEMPTS - 1} or fewer."
        )


def no_retries_rule(subject: LintSubject) -> Iterator[str]:
    if subject.metadata.retries == 0:
        yield (
            "has no retries, and still a job that fails is tried a second time: the handler asks for at least two "
            "attempts (minRetries). Make sure that it may run twice; retries=1 says the same openly."
        )


def timeout_rule(subject: LintSubject) -> Iterator[str]:
    seconds = metadata_attempt_seconds(subject.metadata)
    if 0 < seconds < LEAST_TIMEOUT_SECONDS:
        yield (
            f"has a timeout of {seconds} s. AWS Batch takes {LEAST_TIMEOUT_SECONDS} s and more and refuses the job. "
            f"Use timeout={LEAST_TIMEOUT_SECONDS} or more, or end earlier inside the task."
        )


def dropped_resources_rule(subject: LintSubject) -> Iterator[str]:
    overrides = [node._resources.to_flyte_idl() for node in subject.calls if node._resources is not None]
    asked = {
        Resources.ResourceName.Name(entry.name).lower().replace("_", " ")
        for resources in (subject.container.resources, *overrides)
        for entry in (*resources.requests, *resources.limits)
        if entry.name not in KEPT_RESOURCES
    }
    for option in ("accelerator", "shared_memory"):
        if getattr(subject.inner, option, None) is not None:
            asked.add(option.replace("_", " "))
    if asked:
        yield (
            f"asks for {', '.join(sorted(asked))}, which the aws_array handler drops: the job gets vCPUs and memory "
            "only, and starts without. Send such tasks to a queue whose instances have it, or run them on Kubernetes."
        )


def memory_unit_rule(subject: LintSubject) -> Iterator[str]:
    """`toContainerOverrides`: memory in units of 10^6 bytes, rounded up; AWS reads the number as MiB."""
    spec: ResourceSpec | None = getattr(subject.inner, "resources", None)
    asked = spec and (spec.limits.mem or spec.requests.mem)
    if asked:
        yield (
            f"asks for {asked} of memory. It is sent in units of 10^6 bytes and AWS Batch counts MiB, so that the job "
            "gets 4.9 % more (1Gi is sent as 1074). Leave room for that on the instances that it has to fit on."
        )


def secrets_rule(subject: LintSubject) -> Iterator[str]:
    context = subject.task.security_context
    if context is not None and context.secrets:
        yield (
            "requests secrets, which Flyte mounts into pods only: in a job on AWS Batch they are missing. Read them "
            "from AWS Secrets Manager with the job's role, or put them into the environment of the image."
        )


def concurrency_rule(subject: LintSubject) -> Iterator[str]:
    limit = getattr(subject.task, "_max_concurrency", None)
    if subject.is_array and limit:
        yield (
            f"has concurrency={limit}, which the aws_array handler ignores: as many children run as the compute "
            "environment has room for. Limit the environment's vCPUs, or map over slices."
        )


def fargate_rule(subject: LintSubject) -> Iterator[str]:
    if subject.config and subject.config.platformCapabilities == FARGATE:
        yield (
            "asks for FARGATE. The job definition that the handler registers has no execution role and states vcpus "
            "and memory in the old fields. AWS refuses both for Fargate, time and again until propeller gives up, and "
            "no setting of Flyte's changes them. Use EC2."
        )


def item_decks_rule(subject: LintSubject) -> Iterator[str]:
    """Propeller looks for one deck a node (`GetDeckPath`), below the node's own output prefix."""
    if subject.is_array and (subject.inner.enable_deck or subject.task.enable_deck):
        yield (
            "makes decks, which Flyte's console does not show: it looks for one per node, and the children of an array "
            "write one each, to <output prefix>/<index>/deck.html. Return what they show, and make a deck of it in a "
            "task that follows."
        )


def item_hashes_rule(subject: LintSubject) -> Iterator[str]:
    """Children that are forked from one interpreter agree in what a cluster's do not, so that no run here shows it."""
    function = written_function(subject.inner)
    seeded = str((subject.inner.environment or {}).get(HASH_SEED, "")).isdecimal()
    if not subject.is_array or function is None or seeded or "hash" in function.__globals__:
        return
    if _reads_global(function.__code__, "hash"):
        yield (
            "calls hash(), which gives another number for the same text in each child on a cluster. Here children that "
            "are forked from one interpreter agree. Where they have to agree, use hashlib or zlib.crc32, or set "
            f"{HASH_SEED} with @task(environment=...)."
        )


def _reads_global(code: CodeType, name: str) -> bool:
    if name in code.co_names and any(
        one.opname == "LOAD_GLOBAL" and one.argval == name for one in dis.get_instructions(code)
    ):
        return True
    return any(_reads_global(inner, name) for inner in code.co_consts if isinstance(inner, CodeType))


def node_names_rule(subject: LintSubject) -> Iterator[str]:
    """The node's id is part of the job's name. FlyteAdmin makes that of a task on its own of the task's name
    (`generateNodeNameFromTask`), flytekit that of `with_overrides(node_name=)`; both keep letters of any script."""
    alone = "".join(one for one in subject.name if one == "-" or one.isalnum())
    called_as = [(node.id, "called as that node") for node in subject.calls]
    for node_id, called in [(alone, "launched on its own"), *called_as]:
        if not node_id.isascii() and len(node_id.encode()) <= MAX_NODE_ID_BYTES:
            yield (
                f"makes a job's name with {node_id} in it when it is {called}, and AWS Batch takes ASCII letters and "
                "digits only: propeller gives up after eleven tries. Give it a name of these, or call it in a "
                "workflow, whose nodes are named n0, n1, ..."
            )
            return


def priority_rule(subject: LintSubject) -> Iterator[str]:
    config = subject.config
    if config and config.schedulingPriority is not None and SHARE_IDENTIFIER not in (config.extra or {}):
        yield (
            f"has schedulingPriority={config.schedulingPriority} and no share identifier, without which a priority "
            "means "
            'nothing to AWS Batch: it is not sent. Add extra={"shareIdentifier": ...} for a queue with a fair-share '
            "policy, or take it off."
        )
