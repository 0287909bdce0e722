"""docs/pictures/run.svg: how a run goes, in the steps of docs/explanation/a-run.md and of the README."""

from __future__ import annotations

from .svg import Box, Drawing

PICTURE = "pictures/run.svg"
WIDTH, HEIGHT = 960, 348


def run_picture() -> str:
    drawing = Drawing(
        WIDTH, HEIGHT, "A map task on its way through FlyteAdmin, FlytePropeller and AWS Batch to its children"
    )
    you = Box(28, 96, 190, 84, "your workflow", "plain", ("pyflyte run, or pytest", "map_task(greet)"))
    admin = Box(272, 96, 190, 84, "FlyteAdmin", "", ("project, domain, workflow", "choose the job queue"))
    propeller = Box(516, 96, 190, 84, "FlytePropeller", "", ("the aws_array handler", "submits one array job"))
    batch = Box(760, 96, 172, 84, "AWS Batch", "", ("queue, retries, timeouts,", "memory limits"))
    children = [
        Box(516 + 142 * index, 252, 132, 54, f"child {index}", "good", (name,)) for index, name in enumerate(NAMES)
    ]
    drawing.write(272, 40, "one emulated deployment on your machine", "small", "start")
    drawing.parts.append('<rect class="frame" x="252" y="52" width="700" height="276" rx="10"/>')
    for number, (source, target) in enumerate(((you, admin), (admin, propeller), (propeller, batch)), 1):
        drawing.line((source.right, source.centre), (target.x, target.centre))
        drawing.write((source.right + target.x) / 2, source.centre - 10, str(number), "bold")
    for child in children:
        drawing.line((batch.middle, batch.bottom), (batch.middle, 216), (child.middle, 216), (child.middle, child.y))
    drawing.write(batch.middle + 14, 204, "4", "bold")
    drawing.line((children[0].x, 279), (you.middle, 279), (you.middle, you.bottom))
    drawing.write(384, 269, "5", "bold")
    drawing.write(384, 298, "outputs, errors and logs", "small")
    for box in (you, admin, propeller, batch, *children):
        drawing.box(box)
    return drawing.text()


NAMES = ("greet('Ada')", "greet('Grace')", "greet('Mary')")
