"""Boxes and arrows in SVG, readable on light and dark pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

STYLE = """\
<style>
  .ground { fill: #ffffff; } .box { fill: #eef2ff; stroke: #4051b5; stroke-width: 1.5; }
  .good { fill: #e8f5e9; stroke: #2e7d32; } .bad { fill: #fdecea; stroke: #c62828; }
  .plain { fill: #f5f5f5; stroke: #9e9e9e; }
  text { font-family: system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; font-size: 14px; fill: #1a1a1a; }
  .small { font-size: 12px; fill: #555555; } .bold { font-weight: 600; }
  .line { fill: none; stroke: #5f6368; stroke-width: 1.5; marker-end: url(#tip); } .tip { fill: #5f6368; }
  .frame { fill: none; stroke: #9fa8da; stroke-width: 1.5; stroke-dasharray: 6 5; }
</style>
<defs>
<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
<path class="tip" d="M 0 0 L 10 5 L 0 10 z"/></marker></defs>
"""


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    title: str
    kind: str = ""
    lines: tuple[str, ...] = ()

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def centre(self) -> float:
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


@dataclass
class Drawing:
    width: float
    height: float
    about: str
    parts: list[str] = field(default_factory=list)

    def text(self) -> str:
        size = f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(self.about)}">\n'
        ground = '<rect class="ground" width="100%" height="100%" rx="8"/>\n'
        return head + f"<title>{escape(self.about)}</title>\n" + STYLE + ground + "\n".join(self.parts) + "\n</svg>\n"

    def box(self, box: Box) -> None:
        shape = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="6"'
        self.parts.append(f'<rect class="box {box.kind}" {shape}/>')
        first = box.centre - 9 * len(box.lines) + 5
        self.write(box.middle, first, box.title, "bold")
        for number, line in enumerate(box.lines, 1):
            self.write(box.middle, first + 18 * number, line, "small")

    def write(self, x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> None:
        self.parts.append(f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>')

    def line(self, *points: tuple[float, float]) -> None:
        path = " L ".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path class="line" d="M {path}"/>')

    def arrow(self, source: Box, target: Box) -> None:
        """From box to box: down, up, sideways, around what lies between, or round and back to the same one."""
        if source == target:
            x, y = source.x, source.centre
            curve = f"M {x:g} {y - 10:g} C {x - 26:g} {y - 18:g}, {x - 26:g} {y + 18:g}, {x:g} {y + 10:g}"
            self.parts.append(f'<path class="line" d="{curve}"/>')
        elif source.y == target.y:
            back = source.x > target.x
            y = source.centre + (14 if back else -14)
            self.line((source.x if back else source.right, y), (target.right if back else target.x, y))
        elif target.y - source.bottom < source.height and source.x == target.x:
            self.line((source.middle, source.bottom), (target.middle, target.y))
        elif target.y - source.bottom < source.height:
            middle = (source.bottom + target.y) / 2
            shift = 40 if target.x > source.x else -40
            self.line(
                (source.middle + shift, source.bottom),
                (source.middle + shift, middle),
                (target.middle - shift, middle),
                (target.middle - shift, target.y),
            )
        else:
            # Past other rows: out at the side, down outside of the column, in at its outer side.
            left = target.x < source.x
            start, lane, end = (
                (source.x, target.x - 34, target.x) if left else (source.right, target.right + 34, target.right)
            )
            above, beyond = source.centre - 16, target.centre - 16
            self.line((start, above), (lane, above), (lane, beyond), (end, beyond))
