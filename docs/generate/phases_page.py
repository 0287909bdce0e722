"""docs/explanation/phases.md and its picture: the phases of Flyte's aws_array handler, from the table that the handler
of this package moves by."""

from __future__ import annotations

from flytekitplugins.awsbatch.propeller.aws_array.phases import ALLOWED, Phase, task_phase

from .markdown import code, page, table
from .svg import Box, Drawing

PICTURE = "pictures/phases.svg"

INTRODUCTION = f"""\
A task on AWS Batch is moved by Flyte's `aws_array` handler, a part of FlytePropeller. In each round propeller asks the
handler for one step, and the handler goes from the phase it is in to another one, or stays. The handler of this
package does the same steps; `propeller/aws_array/phases.py` has the one table of them, and every step is held against
it.

![The phases of the handler, and the steps between them](../{PICTURE})
"""
MEANINGS = {
    Phase.START: "Looks items up in the cache, if the task is cached, and checks the size of the array.",
    Phase.PRE_LAUNCH: "Registers the job definition, unless it is known.",
    Phase.LAUNCH: "Submits one job: an array with a child for each item that is to run, or a single job.",
    Phase.WAITING_FOR_RESOURCES: "At least one child waits for a place in the compute environment.",
    Phase.CHECKING_SUBTASKS: "Asks AWS Batch for the children, 100 at a time, and counts them.",
    Phase.ABORT_SUBTASKS: "Too many children have failed: the job is terminated.",
    Phase.WRITE_TO_DISCOVERY: "Writes the outputs of the children that succeeded to the cache.",
    Phase.WRITE_TO_DISCOVERY_THEN_FAIL: "The same, on the way to a failure. No step of AWS Batch tasks leads here.",
    Phase.ASSEMBLE_FINAL_OUTPUT: "Puts the children's outputs together in one outputs.pb.",
    Phase.ASSEMBLE_FINAL_ERROR: "Puts the children's errors together in one message.",
    Phase.SUCCESS: "The node has succeeded.",
    Phase.RETRYABLE_FAILURE: "This attempt of the node has failed; propeller starts another while retries are left.",
    Phase.PERMANENT_FAILURE: "The node has failed, and is not tried again.",
}
# Column and row of each box.
PLACES = {
    Phase.START: (1, 0),
    Phase.PRE_LAUNCH: (1, 1),
    Phase.LAUNCH: (1, 2),
    Phase.CHECKING_SUBTASKS: (1, 3),
    Phase.WAITING_FOR_RESOURCES: (2, 3),
    Phase.WRITE_TO_DISCOVERY: (0, 4),
    Phase.ABORT_SUBTASKS: (1, 4),
    Phase.ASSEMBLE_FINAL_OUTPUT: (0, 5),
    Phase.ASSEMBLE_FINAL_ERROR: (1, 5),
    Phase.WRITE_TO_DISCOVERY_THEN_FAIL: (2, 5),
    Phase.SUCCESS: (0, 6),
    Phase.RETRYABLE_FAILURE: (1, 6),
    Phase.PERMANENT_FAILURE: (2, 6),
}
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 232, 44, 76, 40, 48
COLOURS = {Phase.SUCCESS: "good", Phase.RETRYABLE_FAILURE: "bad", Phase.PERMANENT_FAILURE: "bad"}


def phases_page() -> str:
    rows = [
        (
            code(phase.flyte_name),
            MEANINGS[phase],
            ", ".join(title(one) for one in sorted(ALLOWED[phase]) if one is not phase) or "the end",
            code(task_phase(phase).flyte_name.removeprefix("Phase")),
        )
        for phase in Phase
    ]
    head = ("phase", "what is done in it", "it leads to", "propeller is told")
    return page(
        "The phases of the handler",
        "`propeller/aws_array/phases.py`",
        [
            INTRODUCTION,
            "A round arrow at a box stands for staying there for another round.",
            "## Each phase",
            table(head, rows),
            "## How the handler chooses",
            CHOICES,
        ],
    )


CHOICES = """\
In `CheckingSubTaskExecutions` the counts of the children decide (`summary_to_phase`), in this order:

1. Too few children are left that could succeed: `AbortSubTasks`.
2. A child waits for resources: `WaitingForResources`.
3. Enough have succeeded and all have ended: `WriteToDiscovery`.
4. Otherwise the handler looks again in the next round.

How many have to succeed follows from `min_success_ratio`; children that the cache already had count as succeeded.
"""


def title(phase: Phase) -> str:
    return phase.flyte_name.removeprefix("Phase")


def phases_picture() -> str:
    boxes = {
        phase: Box(
            MARGIN + column * (WIDTH + GAP_X),
            MARGIN + row * (HEIGHT + GAP_Y),
            WIDTH,
            HEIGHT,
            title(phase),
            COLOURS.get(phase, ""),
        )
        for phase, (column, row) in PLACES.items()
    }
    drawing = Drawing(
        2 * MARGIN + 3 * WIDTH + 2 * GAP_X,
        2 * MARGIN + 7 * HEIGHT + 6 * GAP_Y,
        "The phases of the aws_array handler",
    )
    for phase, after in ALLOWED.items():
        for one in sorted(after):
            drawing.arrow(boxes[phase], boxes[one])
    for box in boxes.values():
        drawing.box(box)
    return drawing.text()
