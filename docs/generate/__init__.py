"""Makes the pages and pictures of the documentation that follow from the code.

`make references` writes them; `tests/docs/test_generated_pages.py` holds that they are current.
"""

from __future__ import annotations


def artefacts() -> dict[str, str]:
    """Every file that is made, by its path below the repository's root, with its text."""
    from .api_page import api_page
    from .cli_page import cli_page
    from .modules_page import modules_page
    from .operations_page import operations_page
    from .phases_page import PICTURE, phases_page, phases_picture
    from .run_picture import PICTURE as RUN_PICTURE
    from .run_picture import run_picture
    from .settings_page import settings_page

    return {
        "docs/reference/settings.md": settings_page(),
        "docs/reference/cli.md": cli_page(),
        "docs/reference/api.md": api_page(),
        "docs/reference/operations.md": operations_page(),
        "docs/explanation/modules.md": modules_page(),
        "docs/explanation/phases.md": phases_page(),
        f"docs/{PICTURE}": phases_picture(),
        f"docs/{RUN_PICTURE}": run_picture(),
    }
