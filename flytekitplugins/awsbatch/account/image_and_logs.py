"""What surrounds a job: the image that it starts from, and the group that its log goes to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .aws_account import CallError
from .iam_evaluation import IamVerdict
from .policies import LOG_GROUP
from .principals import principal_may_request, principal_of
from .step_findings import Fix, StepFinding, aws_cli_command, right_finding, unknown_finding, wrong_finding
from .walk import AccountWalk

ECR = re.compile(
    r"(?P<host>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)/"
    r"(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)


def check_image(walk: AccountWalk) -> Iterator[StepFinding]:
    if not walk.image:
        yield unknown_finding("image", "none was named; give --image")
        return
    found = ECR.fullmatch(walk.image)
    if found is None:
        yield unknown_finding(walk.image, "it is in another registry than Amazon ECR")
        return
    digest = {"imageDigest": found["digest"]} if found["digest"] else {"imageTag": found["tag"] or "latest"}
    request = {"registryId": found["account"], "repositoryName": found["repository"], "imageIds": [digest]}
    push = (
        f"aws ecr get-login-password --region {found['region']} | docker login -u AWS --password-stdin {found['host']}",
        f"docker push {walk.image}",
    )
    try:
        walk.account.ask_aws("ecr", "DescribeImages", region=found["region"], **request)
        yield right_finding(walk.image, "is in Amazon ECR")
    except CallError as error:
        if error.code == "RepositoryNotFoundException":
            options = {"repository_name": found["repository"], "region": found["region"]}
            fix = Fix((aws_cli_command("ecr", "create-repository", **options), *push))
            yield wrong_finding(
                walk.image, f"there is no repository {found['repository']}", "a repository with it", fix
            )
        elif error.code == "ImageNotFoundException":
            yield wrong_finding(walk.image, "the repository does not have it", "an image of this tag", Fix(push))
        else:
            raise


def check_log_group(walk: AccountWalk) -> Iterator[StepFinding]:
    groups = walk.account.ask_aws("logs", "DescribeLogGroups", logGroupNamePrefix=LOG_GROUP)["logGroups"]
    if any(one["logGroupName"] == LOG_GROUP for one in groups):
        yield right_finding(LOG_GROUP, "exists")
        return
    arn = f"arn:{walk.account.partition}:logs:{walk.account.region}:{walk.account_id}:log-group:{LOG_GROUP}"
    orders = [walk.environments(queue) for queue in walk.job_queues().values()]
    services = [environment.get("serviceRole", "") for order in orders for environment in order]
    # An environment without a service role uses the service-linked role, which may create the group.
    own = [role for role in dict.fromkeys(services) if role and "/aws-service-role/" not in role]
    verdicts = [principal_may_request(walk.account, principal_of(role), "logs:CreateLogGroup", arn, {}) for role in own]
    if IamVerdict(True) in verdicts or not verdicts:
        yield right_finding(LOG_GROUP, "AWS Batch makes it with the first job")
    elif IamVerdict(None) in verdicts:
        yield unknown_finding(LOG_GROUP, "it does not exist, and a condition decides whether AWS Batch may make it")
    else:
        fix = Fix((aws_cli_command("logs", "create-log-group", log_group_name=LOG_GROUP),))
        yield wrong_finding(LOG_GROUP, f"it does not exist, and {own[0]} may not make it", "the log group", fix)
