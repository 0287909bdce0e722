"""The steps of the setup that the settings alone decide, or the settings beside the caller's account and region."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator

import yaml

from flytekitplugins.awsbatch import wire
from flytekitplugins.awsbatch.admin import checks
from flytekitplugins.awsbatch.admin.admin_settings import FLYTEADMIN_2019, AdminSettings, TaskPlugins
from flytekitplugins.awsbatch.admin.advice import queue_difference_advice
from flytekitplugins.awsbatch.admin.enabled_plugins import AWS_ARRAY, enabled_plugin_of
from flytekitplugins.awsbatch.admin.explanation import LaunchedExecution
from flytekitplugins.awsbatch.admin.export_rules import exported_rule
from flytekitplugins.awsbatch.admin.launch_decision import ROLE_KEY
from flytekitplugins.awsbatch.admin.queue_matching import match_queue

from .aws_account import CallError
from .policies import policy_region
from .step_findings import Fix, StepFinding, right_finding, unknown_finding, wrong_finding
from .walk import AccountWalk

# AWS Batch's own limit, which no quota raises.
MAX_ARRAY_SIZE = 10_000
MAX_EXECUTIONS = 10_000


def check_settings_credentials(walk: AccountWalk) -> Iterator[StepFinding]:
    if not isinstance(walk.caller, CallError):
        yield right_finding("caller", str(walk.caller["Arn"]))
    elif "Connect" in walk.caller.code or "Timeout" in walk.caller.code:
        yield unknown_finding("caller", str(walk.caller))
    else:
        fix = Fix(("aws configure",), words="Or set AWS_PROFILE to a profile that has credentials.")
        yield wrong_finding("caller", str(walk.caller), "credentials that AWS accepts", fix)


def check_settings_account(walk: AccountWalk) -> Iterator[StepFinding]:
    if isinstance(walk.caller, CallError):
        yield unknown_finding("account", walk.walk_blocked)
        return
    others = {what: one for what, one in walk.named_accounts.items() if one != walk.account_id}
    for what, other in others.items():
        setting = what == "plugins.aws.accountId" and list(others.values()).count(other) == 1
        mend = _plugins_aws(accountId=walk.account_id) if setting else ""
        words = "" if setting else f"Name one of account {walk.account_id}."
        fix = Fix(yaml=mend, words=f"{words} Or use the credentials of account {other} (AWS_PROFILE).".strip())
        yield wrong_finding(what, f"account {other}", f"account {walk.account_id}, whose credentials these are", fix)
    if not others:
        yield right_finding("account", walk.account_id)


def check_settings_regions(walk: AccountWalk) -> Iterator[StepFinding]:
    named, default = policy_region(walk.settings), walk.account.default_region
    if named != walk.account.region:
        expected = f"{walk.account.region}, where the job queues are"
        yield wrong_finding("plugins.aws.region", named, expected, Fix(yaml=_plugins_aws(region=walk.account.region)))
    else:
        also = f"; the region of these credentials is {default}" if default not in ("", named) else ""
        yield right_finding("plugins.aws.region", f"{named}{also}")


def check_settings_queue_rules(walk: AccountWalk) -> Iterator[StepFinding]:
    """Whether the server's generation follows the rules as they are written."""
    admin = walk.settings.admin
    faults = [one for one in checks.admin_deployment_faults(admin) if one.key.startswith(("queues.", "tags for"))]
    for fault in faults:
        yield wrong_finding(fault.key, fault.value or "nothing", fault.expected, Fix(words=f"Change {fault.place}."))
    said = "" if faults or admin.emulator.queue_matching == FLYTEADMIN_2019 else _first_difference(admin)
    if said:
        kept = [exported_rule(one) for one in admin.rules if not (one.project or one.workflow)]
        files = [word for name in walk.settings.files for word in ("-c", name)]
        fix = Fix(
            (
                shlex.join(["flyte-awsbatch", "queue", "export", "--attributes", "attributes", *files]),
                "for file in attributes/*; do flytectl update execution-queue-attribute --attrFile $file; done",
            ),
            account_settings_as_yaml({"queues": {"workflowConfigs": kept}}),
            "Keep only these rules in the file. Or, for a FlyteAdmin of 2019, set emulator.queue_matching to "
            "flyteadmin-2019.",
        )
        yield wrong_finding("queues.workflowConfigs", said, "rules that FlyteAdmin 1.16 reads as they are written", fix)
    elif not faults:
        yield right_finding("queues.workflowConfigs", "FlyteAdmin reads the rules as they are written")


def _first_difference(admin: AdminSettings) -> str:
    """A sentence about the first kind of execution that FlyteAdmin 1.16 would send elsewhere; empty if there is none.

    Every project, domain and workflow of the rules is tried, and one that no rule names."""
    projects, domains, workflows = (
        dict.fromkeys(("any", *(getattr(rule, key) for rule in admin.rules if getattr(rule, key))))
        for key in ("project", "domain", "workflow")
    )
    tried = itertools.product(projects, dict.fromkeys((*admin.domains, *list(domains)[1:])), workflows)
    executions = (LaunchedExecution(*who) for who in itertools.islice(tried, MAX_EXECUTIONS))
    return next(filter(None, (queue_difference_advice(admin, match_queue(admin, one)) for one in executions)), "")


def check_settings_annotation_keys(walk: AccountWalk) -> Iterator[StepFinding]:
    admin = walk.settings.admin
    server, handler = admin.server.role_name_key, admin.handler.role_annotation_key
    subject = "plugins.aws.batch.roleAnnotationKey"
    if server == handler and server:
        yield right_finding(subject, f"{server}, as flyteadmin.roleNameKey")
    elif server is None and handler is None:
        yield unknown_finding(subject, "the settings have neither this nor flyteadmin.roleNameKey")
    else:
        mend = account_settings_as_yaml({"plugins": {"aws": {"batch": {"roleAnnotationKey": server}}}})
        if not server:
            mend = account_settings_as_yaml({"flyteadmin": {"roleNameKey": handler or ROLE_KEY}})
        yield wrong_finding(
            subject, handler or "not set", f"flyteadmin.roleNameKey, {server or 'not set'}", Fix(yaml=mend)
        )


def check_settings_plugins(walk: AccountWalk) -> Iterator[StepFinding]:
    switches = walk.settings.admin.task_plugins
    if switches is None:
        yield unknown_finding("tasks.task-plugins", "the settings do not have it; give propeller's file too")
        return
    for task_type in (wire.ARRAY_TASK_TYPE, wire.SINGLE_TASK_TYPE):
        handler = enabled_plugin_of(task_type, switches)
        if handler.error:
            fix = Fix(yaml=account_settings_as_yaml({"tasks": {"task-plugins": _switches_that_enable(switches)}}))
            yield wrong_finding(task_type, handler.error, f"{AWS_ARRAY} takes {task_type} tasks", fix)
        else:
            yield right_finding(task_type, handler.note or f"{AWS_ARRAY} takes it")


def _switches_that_enable(switches: TaskPlugins) -> dict[str, object]:
    """The same switches with aws_array enabled, and the default for both types. No list means that all are enabled."""
    defaults = {**switches.default_for, wire.ARRAY_TASK_TYPE: AWS_ARRAY, wire.SINGLE_TASK_TYPE: AWS_ARRAY}
    enabled = list(dict.fromkeys((*switches.enabled, *defaults.values())))
    return {**({"enabled-plugins": enabled} if switches.enabled else {}), "default-for-task-types": defaults}


def check_settings_array_size(walk: AccountWalk) -> Iterator[StepFinding]:
    subject, size = "plugins.aws.batch.maxArrayJobSize", walk.settings.handler.batch.max_array_job_size
    if size <= MAX_ARRAY_SIZE:
        yield right_finding(subject, f"{size}, of the {MAX_ARRAY_SIZE} that AWS Batch takes")
    else:
        mend = account_settings_as_yaml({"plugins": {"aws": {"batch": {"maxArrayJobSize": MAX_ARRAY_SIZE}}}})
        yield wrong_finding(subject, str(size), f"at most {MAX_ARRAY_SIZE}, AWS Batch's limit", Fix(yaml=mend))


def _plugins_aws(**keys: str) -> str:
    return account_settings_as_yaml({"plugins": {"aws": keys}})


def account_settings_as_yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False).strip()
