"""What a deployment says about the aws_array plugin and about propeller's part around it, under Flyte's own keys.

One frozen section per block of Flyte's configuration. This module reads no YAML: `settings` fills the sections, the
composer joins them into `HandlerSettings`. Defaults are those of Flyte v1.16.8 (`awsbatch/config/config.go`,
`tasks/aws/config.go`, `flytek8s/config/config.go`, `catalog/config.go`, `controller/config/config.go`), but that of
`catalog-cache` (`nodes/catalog/config.go`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flytekitplugins.awsbatch.settings.section import setting

from .golang.duration import parse_duration

STRICT = "strict"
SAFE = "safe"


@dataclass(frozen=True)
class JobStoreSettings:
    """`plugins.aws.batch.jobStoreConfig`: how job details are fetched.

    :param batch_chunk_size: how many jobs one DescribeJobs call asks for; AWS takes 100.
    :param cache_size: how many jobs are remembered; Flyte's spelling of cacheSize.
    :param parallelism: how many DescribeJobs calls run at once in propeller; without effect here.
    :param resync_period: how often job details are refreshed, as a Go duration.
    """

    batch_chunk_size: int = setting("batchChunkSize", 100, minimum=1)
    cache_size: int = setting("jacheSize", 10000, minimum=1)
    parallelism: int = setting("parallelism", 20, minimum=1)
    resync_period: str = setting("resyncPeriod", "30s")


@dataclass(frozen=True)
class RateLimiterSettings:
    """`plugins.aws.batch.{getRateLimiter,defaultRateLimiter}`: how often the plugin calls AWS Batch.

    :param rate: calls a second.
    :param burst: how many calls may come at once.
    """

    rate: int = setting("rate", 15, minimum=1)
    burst: int = setting("burst", 20, minimum=1)


@dataclass(frozen=True)
class BatchPluginSettings:
    """`plugins.aws.batch`: the aws_array plugin.

    :param role_annotation_key: the annotation in which the handler looks for the role; the same as
        `flyteadmin.roleNameKey`.
    :param def_cache_size: how many job definitions are remembered.
    :param max_array_job_size: the largest array that the handler submits; AWS takes 10,000.
    :param min_retries: the fewest retries of a job, whatever its task says; its attempts are one more.
    :param max_retries: the most retries of a job; its attempts are one more, and AWS takes ten attempts.
    :param default_timeout: the time limit of an attempt whose task has none, as a Go duration (`72h0m0s`, `90m`).
    :param default_env_vars: variables of every job.
    :param max_err_length: the length at which the error of an array is cut, between two children's.
    :param job_store_config: how job details are fetched.
    :param get_rate_limiter: how often DescribeJobs is called. Followed in an account and at a service elsewhere; the
        one in this process is asked as often as there is something to ask.
    :param default_rate_limiter: the same for all other calls.
    """

    role_annotation_key: str = setting("roleAnnotationKey", "")
    def_cache_size: int = setting("defCacheSize", 10000, minimum=0)
    max_array_job_size: int = setting("maxArrayJobSize", 5000, minimum=0)
    min_retries: int = setting("minRetries", 1, minimum=0)
    max_retries: int = setting("maxRetries", 10, minimum=0)
    default_timeout: str = setting("defaultTimeout", "72h0m0s")
    default_env_vars: Mapping[str, str] = setting("defaultEnvVars", factory=dict)
    max_err_length: int = setting("maxErrLength", 500, minimum=0, unit="characters")
    job_store_config: JobStoreSettings = setting("jobStoreConfig", factory=JobStoreSettings)
    get_rate_limiter: RateLimiterSettings = setting("getRateLimiter", factory=RateLimiterSettings)
    default_rate_limiter: RateLimiterSettings = setting("defaultRateLimiter", factory=RateLimiterSettings)

    @property
    def default_timeout_seconds(self) -> float:
        return float(parse_duration(self.default_timeout))

    @property
    def resync_seconds(self) -> float:
        return float(parse_duration(self.job_store_config.resync_period))


@dataclass(frozen=True)
class AwsPluginSettings:
    """`plugins.aws`: the account that the plugin talks to.

    :param region: the region of the queues, which is part of every ARN.
    :param account_id: the account, which is part of every ARN.
    :param retries: how often a call is repeated that AWS throttles or answers with a 5xx, within one round of the
        handler. Followed in an account and at a service elsewhere; a SubmitJob that may have been carried out is looked
        for instead.
    :param batch: the plugin's own section.
    """

    region: str = setting("region", "us-east-2")
    account_id: str = setting("accountId", "")
    retries: int = setting("retries", 3, minimum=0)
    batch: BatchPluginSettings = setting("batch", factory=BatchPluginSettings)


@dataclass(frozen=True)
class K8sPluginSettings:
    """`plugins.k8s`: the defaults that also reach Batch jobs.

    :param default_cpus: CPUs of a container that asks for none.
    :param default_memory: memory of a container that asks for none.
    :param default_env_vars: variables of every job.
    :param default_env_vars_from_env: variables of every job, each with the name of the variable of propeller's own
        process (here: of yours) that has the value.
    :param gpu_resource_name: what the cluster calls a GPU; without effect on AWS Batch, which gets no GPUs from Flyte.
    """

    default_cpus: str = setting("default-cpus", "1000m")
    default_memory: str = setting("default-memory", "1024Mi")
    default_env_vars: Mapping[str, str] = setting("default-env-vars", factory=dict)
    default_env_vars_from_env: Mapping[str, str] = setting("default-env-vars-from-env", factory=dict)
    gpu_resource_name: str = setting("gpu-resource-name", "nvidia.com/gpu")


@dataclass(frozen=True)
class WorkQueueSettings:
    """One of `plugins.catalogCache.{reader,writer}`.

    :param max_items: the most items of one cached array.
    """

    max_items: int = setting("maxItems", 10000, minimum=1)


@dataclass(frozen=True)
class CatalogCacheSettings:
    """`plugins.catalogCache`: the work queues that bound how large a cached array may be.

    :param reader: the queue that looks entries up.
    :param writer: the queue that writes entries.
    """

    reader: WorkQueueSettings = setting("reader", factory=WorkQueueSettings)
    writer: WorkQueueSettings = setting("writer", factory=WorkQueueSettings)


@dataclass(frozen=True)
class CatalogSettings:
    """`catalog-cache`: the catalog that propeller asks.

    :param type: with `noop`, or an empty text, nothing is cached. Flyte's charts say `datacatalog`, which stands here
        for files that do not.
    """

    type: str = setting("type", "datacatalog")

    @property
    def caches(self) -> bool:
        return self.type not in ("", "noop")


@dataclass(frozen=True)
class DeadlineSettings:
    """`propeller.node-config.default-deadlines`: the timeouts of nodes that have none of their own; 0s: no limit.

    :param execution: the time limit of one attempt of a node, as a Go duration; `0s`: none.
    :param active: the time limit of a node, with its waiting and all its attempts, as a Go duration; `0s`: none.
    """

    execution: str = setting("node-execution-deadline", "0s")
    active: str = setting("node-active-deadline", "0s")

    @property
    def seconds(self) -> tuple[float, float]:
        """(an attempt's time, the time of the node with its queueing and retries)."""
        return float(parse_duration(self.execution)), float(parse_duration(self.active))


@dataclass(frozen=True)
class NodeSettings:
    """`propeller.node-config`: how often a node is tried, and for how long.

    :param default_max_attempts: attempts of a node whose task says nothing of retries.
    :param max_system_failures: further attempts for failures that are not the task's own.
    :param ignore_retry_cause: whether attempts of all causes are counted together.
    :param default_deadlines: the time limits of nodes that have none of their own.
    """

    default_max_attempts: int = setting("default-max-attempts", 1, minimum=1)
    max_system_failures: int = setting("max-node-retries-system-failures", 3, minimum=0)
    ignore_retry_cause: bool = setting("ignore-retry-cause", False)
    default_deadlines: DeadlineSettings = setting("default-deadlines", factory=DeadlineSettings)


@dataclass(frozen=True)
class OffloadingSettings:
    """`propeller.literal-offloading-config`: which outputs tasks put into files of their own.

    Sizes are in MB; 0: not set.

    :param enabled: whether tasks put large literals into files of their own.
    :param min_size: the size from which a literal gets a file of its own.
    :param max_size: the largest literal.
    """

    enabled: bool = setting("enabled", False)
    min_size: int = setting("min-size-in-mb-for-offloading", 10, unit="MB")
    max_size: int = setting("max-size-in-mb-for-offloading", 1000, unit="MB")


@dataclass(frozen=True)
class PropellerSettings:
    """`propeller`: what surrounds the plugin. The two prefixes matter where files lie in the container of `storage`.

    :param metadata_prefix: below which inputs.pb and outputs.pb lie, in `storage.container`.
    :param raw_output_prefix: below which files of tasks lie.
    :param max_workflow_retries: how often a round of the handler that ends with a system error is repeated before the
        execution fails.
    :param node_config: attempts and time limits of nodes.
    :param offloading: when large literals get files of their own.
    """

    metadata_prefix: str = setting("metadata-prefix", "metadata/propeller")
    raw_output_prefix: str = setting("rawoutput-prefix", "")
    max_workflow_retries: int = setting("max-workflow-retries", 10, minimum=0)
    node_config: NodeSettings = setting("node-config", factory=NodeSettings)
    offloading: OffloadingSettings = setting("literal-offloading-config", factory=OffloadingSettings)


@dataclass(frozen=True)
class LimitSettings:
    """`storage.limits`.

    :param max_download_mbs: the largest file that propeller reads. Flyte's own default is 2. Here
        it is 0, no limit, as deployments differ in it.
    """

    max_download_mbs: int = setting("maxDownloadMBs", 0, minimum=0, unit="MB")


@dataclass(frozen=True)
class StorageSettings:
    """`storage`: the bucket, which matters where jobs run on other machines, and how large a file propeller reads.

    :param limits: limits of the storage.
    :param container: the bucket.
    """

    limits: LimitSettings = setting("limits", factory=LimitSettings)
    container: str = setting("container", "")


@dataclass(frozen=True)
class FidelitySettings:
    """The `emulator` keys that say how closely the handler follows Flyte.

    :param fidelity: `strict` does what Flyte's handler does, hangs and crashes included; `safe` differs where
        docs/explanation/fidelity.md says so.
    :param hang_limit: how long a state that real Flyte or AWS Batch would never leave is kept before the run ends with
        an error; 0: not at all.
    :param failure_wait: how long an array that must fail waits for children that are running, whose errors and outputs
        then count. On Flyte that time runs until the next refresh of job details, which comes every 30 seconds
        (`resyncPeriod`), so that a child that ends within half of it counts more often than not. `strict` waits for
        that refresh.
    """

    fidelity: str = setting("fidelity", SAFE, choices=(SAFE, STRICT))
    hang_limit: float = setting("hang_limit", 30.0, minimum=0, maximum=31_536_000, unit="seconds")
    failure_wait: float = setting("failure_wait", 15.0, minimum=0, maximum=31_536_000, unit="seconds")


@dataclass(frozen=True)
class HandlerSettings:
    """All sections that the handler and the node driver read."""

    aws: AwsPluginSettings = field(default_factory=AwsPluginSettings)
    k8s: K8sPluginSettings = field(default_factory=K8sPluginSettings)
    catalog_cache: CatalogCacheSettings = field(default_factory=CatalogCacheSettings)
    catalog: CatalogSettings = field(default_factory=CatalogSettings)
    propeller: PropellerSettings = field(default_factory=PropellerSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    emulation: FidelitySettings = field(default_factory=FidelitySettings)

    @property
    def batch(self) -> BatchPluginSettings:
        return self.aws.batch

    @property
    def strict(self) -> bool:
        return self.emulation.fidelity == STRICT
