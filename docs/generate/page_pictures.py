"""Takes the pictures of the page of runs anew: `python -m docs.generate.page_pictures`, with Chromium and playwright.

They show a run that is written rather than run, so that they look the same each time but for the clock.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
sys.path.insert(0, str(ROOT / "tests" / "support"))

from browser import chromium  # noqa: E402
from browser_tab import Tab  # noqa: E402
from served_pages import served  # noqa: E402
from ui_home import busy_home  # noqa: E402

with tempfile.TemporaryDirectory() as folder, chromium() as browser:
    home = busy_home(Path(folder) / "home", 600)
    failed = next(unit.index for unit in home.job.units if unit.status == "FAILED")
    with served(home.home.path) as address:
        for name, scheme, where in (("page-run", "light", ""), ("page-child", "dark", f"/n1/{failed}")):
            tab = Tab(browser, viewport={"width": 1100, "height": 1000}, color_scheme=scheme)
            tab.page.goto(f"{address}/run/{home.name}{where}")
            tab.page.locator(".vrow").first.wait_for()
            tab.page.wait_for_timeout(500)
            tab.page.screenshot(path=str(PICTURES / f"{name}.png"))
            tab.context.close()
            sys.stdout.write(f"wrote docs/pictures/{name}.png\n")
