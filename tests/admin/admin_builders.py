"""Settings for tests, from YAML as a deployment writes it."""

from __future__ import annotations

from pathlib import Path

from flytekitplugins.awsbatch.admin.admin_settings import AdminEmulator, AdminSettings, read_admin_settings
from flytekitplugins.awsbatch.settings.reader import Reader

SETUP_DOCUMENT = Path(__file__).parent / "setup_document"


def admin(*texts: str) -> AdminSettings:
    """The settings of some YAML texts, which must be right."""
    reader = Reader.from_text(*((f"f{place}.yaml", text) for place, text in enumerate(texts)))
    (emulator,) = reader.own("emulator", AdminEmulator)
    settings = read_admin_settings(reader, emulator)
    reader.finish()
    return settings


def queues(rules: str, **tags: str) -> AdminSettings:
    """Queues by name with their tags (`q1="a b"`), and rules in flow style."""
    listed = ", ".join(f"{{dynamic: {name}, attributes: [{', '.join(one.split())}]}}" for name, one in tags.items())
    return admin(f"queues:\n  executionQueues: [{listed}]\n  workflowConfigs: {rules}\n")
