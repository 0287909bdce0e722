"""Tables fit the terminal that they are printed on."""

from flytekitplugins.awsbatch.cli.tables import table_lines

COLUMNS = ("NODE", "JOB", "STATUS", "REASON")
ROWS = [
    ("n0", "4627516c:3", "FAILED", "ended with a very long reason that nobody can read"),
    ("n1", "x", "SUCCEEDED", ""),
]


def lines(width: int | None) -> list[str]:
    return list(table_lines(COLUMNS, ROWS, width))


def test_a_pipe_gets_everything_in_one_line_a_row() -> None:
    assert lines(None) == lines(200)
    assert lines(None) == [
        "NODE  JOB         STATUS     REASON",
        "n0    4627516c:3  FAILED     ended with a very long reason that nobody can read",
        "n1    x           SUCCEEDED",
    ]


def test_the_last_column_is_wrapped_where_it_has_room() -> None:
    assert lines(55) == [
        "NODE  JOB         STATUS     REASON",
        "n0    4627516c:3  FAILED     ended with a very long",
        "                             reason that nobody can",
        "                             read",
        "n1    x           SUCCEEDED",
    ]


def test_it_goes_below_its_row_where_it_has_none() -> None:
    assert lines(40) == [
        "NODE  JOB         STATUS",
        "n0    4627516c:3  FAILED",
        "  ended with a very long reason that",
        "  nobody can read",
        "n1    x           SUCCEEDED",
    ]


def test_a_narrow_terminal_gets_a_paragraph_a_row() -> None:
    assert lines(26) == [
        "NODE n0  JOB 4627516c:3",
        "STATUS FAILED",
        "  ended with a very long",
        "  reason that nobody can",
        "  read",
        "NODE n1  JOB x",
        "STATUS SUCCEEDED",
    ]
