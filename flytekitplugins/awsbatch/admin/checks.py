"""What is wrong or doubtful in a deployment's settings although each value by itself can be read."""

from __future__ import annotations

from collections.abc import Iterator

from flytekitplugins.awsbatch.settings.problems import Problem

from .settings import AdminSettings


def contradictions(settings: AdminSettings) -> Iterator[Problem]:
    """What no deployment can mean: the server writes the role where the handler does not look."""
    server, handler = settings.server.role_name_key, settings.handler.role_annotation_key
    if server is None or handler is None or server == handler:
        return
    place = settings.handler.where
    yield Problem(
        place.file,
        place.line,
        "plugins.aws.batch.roleAnnotationKey",
        repr(handler),
        f"expected {server!r}, as flyteadmin.roleNameKey says in {settings.server.where}: FlyteAdmin writes the role "
        "under its key and the handler looks under this one; change one of the two files",
    )
