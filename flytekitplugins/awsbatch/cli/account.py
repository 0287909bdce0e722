"""`flyte-awsbatch account`: what makes an AWS account ready, printed for you to deploy."""

from __future__ import annotations

import rich_click as click

from flytekitplugins.awsbatch.account.policies import all_setup_policies
from flytekitplugins.awsbatch.account.template import cloudformation_template, template_as_json

from .common import (
    command_console,
    config_option,
    json_option,
    print_json,
    settings_of_command,
    show_iam_policies,
)


@click.group("account")
def account_command() -> None:
    """Print what makes an AWS account ready. Nothing is created."""


@account_command.command("template")
@click.option(
    "--format",
    "form",
    type=click.Choice(("yaml", "json")),
    default="yaml",
    show_default=True,
    help="The output format.",
)
@config_option
def account_template_command(form: str, files: tuple[str, ...]) -> None:
    """Print a CloudFormation template for the job queues and roles of the settings.

    Its first lines show how to deploy it.
    """
    text = cloudformation_template(settings_of_command(files, as_json=False))
    click.echo(text if form == "yaml" else f"{template_as_json(text)}\n", nl=False)


@account_command.command("policies")
@config_option
@json_option
def account_policies_command(files: tuple[str, ...], as_json: bool) -> None:
    """Print the IAM policies alone: the trust in ECS, flytepropeller's, that of the jobs' storage, and that of people
    who run with FLYTE_AWSBATCH=aws."""
    documents = all_setup_policies(settings_of_command(files, as_json))
    if as_json:
        print_json({"documents": documents})
        return
    show_iam_policies(command_console(), documents)
