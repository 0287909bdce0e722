"""What reads texts and templates, against inputs that nobody thought of."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgpack
import pytest
from flyteidl.core import literals_pb2, tasks_pb2
from google.protobuf import __version__ as protobuf_version
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from propeller_builders import integer, integers, template

from flytekitplugins.awsbatch.propeller.aws_array.command_template import (
    Parameters,
    command_template_literal,
    command_template_timestamp,
    per_retry_unique_key,
    render_command,
)
from flytekitplugins.awsbatch.propeller.aws_array.compact_array import CompactArray
from flytekitplugins.awsbatch.propeller.aws_array.error_summary import error_summary, summary_index_ranges
from flytekitplugins.awsbatch.propeller.aws_array.handler_errors import HandlerError, PanicError, ParameterError
from flytekitplugins.awsbatch.propeller.aws_array.indexes import OriginalIndex
from flytekitplugins.awsbatch.propeller.aws_array.job_definition import definition_name
from flytekitplugins.awsbatch.propeller.aws_array.job_resources import job_resources
from flytekitplugins.awsbatch.propeller.aws_array.job_store import Job, update_job_in_store
from flytekitplugins.awsbatch.propeller.aws_array.phases import Phase, TaskPhase
from flytekitplugins.awsbatch.propeller.aws_array.plugin_state import State, TaskError
from flytekitplugins.awsbatch.propeller.aws_array.retry_strategy import retry_strategy_attempts, retry_strategy_timeout
from flytekitplugins.awsbatch.propeller.aws_array.submit_input import check_submit_input, read_submit_custom
from flytekitplugins.awsbatch.propeller.aws_array.submit_shape import SUBMIT_JOB
from flytekitplugins.awsbatch.propeller.aws_array.task_context import TaskContext
from flytekitplugins.awsbatch.propeller.aws_array.task_custom import (
    ArrayJob,
    array_job_of_custom,
    custom_minimum_successes,
    custom_struct_json,
)
from flytekitplugins.awsbatch.propeller.catalog import CatalogKey, catalog_input_hash
from flytekitplugins.awsbatch.propeller.golang.duration import format_duration, parse_duration
from flytekitplugins.awsbatch.propeller.golang.msgpack import MsgpackError, UnhashableError, print_msgpack
from flytekitplugins.awsbatch.propeller.golang.numbers import json_float, print_float, to_float32
from flytekitplugins.awsbatch.propeller.golang.objecthash import object_hash
from flytekitplugins.awsbatch.propeller.golang.quantity import MEGA, QuantityError, parse_quantity
from flytekitplugins.awsbatch.propeller.golang.text import go_text_of_message, quote_text_bytes
from flytekitplugins.awsbatch.propeller.node.names import fixed_length_id
from flytekitplugins.awsbatch.propeller.propeller_settings import BatchPluginSettings, K8sPluginSettings
from flytekitplugins.awsbatch.propeller.storage import StorageError, join_storage_path, join_storage_url

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = [*SUBMIT_JOB["members"], "size", "minSuccesses", "minSuccessRatio", "min_success_ratio", "parallelism", "TAGS"]
CUSTOMS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=5)


def struct(value: dict[str, Any]) -> Struct:
    return ParseDict(value, Struct())


# Durations.


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("72h0m0s", 259200),
        ("1h30m", 5400),
        ("1.5s", Fraction(3, 2)),
        (".5m", 30),
        ("-2s", -2),
        ("+3s", 3),
        ("0", 0),
        ("", 0),
        ("100us", Fraction(1, 10000)),
        ("1µs", Fraction(1, 10**6)),
        ("3.s", 3),
        ("1s1s", 2),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: Fraction) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["3", "s", "1d", "h1", "1 s", "--1s", "1s ", ".s", "3000000h"])
def test_what_is_no_duration_says_what_one_is(text: str) -> None:
    with pytest.raises(ValueError, match="Go"):
        parse_duration(text)


@given(st.integers(min_value=-(10**17), max_value=10**17))
def test_a_written_duration_reads_back(nanos: int) -> None:
    assert parse_duration(format_duration(nanos / 10**9)) == Fraction(round(nanos / 10**9 * 10**9), 10**9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (90, "1m30s"), (3605, "1h0m5s"), (0.3, "300ms"), (1.5, "1.5s"), (2e-6, "2µs"), (-5, "-5s")],
)
def test_a_duration_is_written_as_go_writes_it(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


# Numbers.


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_float_reads_back(value: float) -> None:
    assert float(print_float(value)) == value
    assert float(json_float(value)) == value
    assert math.copysign(1, float(print_float(value))) == math.copysign(1, value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float32_is_its_own_nearest_and_prints_short(value: float) -> None:
    assert to_float32(Fraction(value)) == value
    assert to_float32(Fraction(Decimal(print_float(value, 32)))) == value


@pytest.mark.parametrize(
    ("value", "printed", "as_json"),
    [
        (1234567.0, "1.234567e+06", "1234567"),
        (1e-7, "1e-07", "1e-7"),
        (1e20, "1e+20", "100000000000000000000"),
        (1e21, "1e+21", "1e+21"),
        (-0.0, "-0", "-0"),
        (100000.0, "100000", "100000"),
    ],
)
def test_floats_are_written_in_gos_two_ways(value: float, printed: str, as_json: str) -> None:
    assert (print_float(value), json_float(value)) == (printed, as_json)


def test_what_is_no_number_has_gos_name() -> None:
    assert [print_float(value) for value in (math.nan, math.inf, -math.inf)] == ["NaN", "+Inf", "-Inf"]


@given(st.decimals(min_value=0, max_value=10**6, places=3), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_quantity_is_rounded_up(number: Decimal, suffix: str) -> None:
    factor = {"": 1, "m": Fraction(1, 1000), "k": 1000, "M": 10**6, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[suffix]
    exact = Fraction(number) * factor
    quantity = parse_quantity(f"{number}{suffix}")
    assert quantity.scaled(0) == math.ceil(exact)
    assert quantity.scaled(MEGA) == math.ceil(exact / 10**6)
    assert quantity.zero == (exact == 0)


@pytest.mark.parametrize(
    ("text", "scale", "small", "decimal"),
    [
        ("-1", MEGA, -1, 1),
        ("-1500001", MEGA, -2, 0),
        ("7T", 0, 7 * 10**12, 7 * 10**12),
        ("16E", 0, 0, 16 * 10**18 - 2**64),
        ("1e19", 0, 0, -(2**63)),
    ],
)
def test_the_two_forms_of_a_quantity_round_and_overflow_apart(text: str, scale: int, small: int, decimal: int) -> None:
    quantity = parse_quantity(text)
    assert quantity.small
    assert (quantity.scaled(scale), replace(quantity, small=False).scaled(scale)) == (small, decimal)


@given(st.text(alphabet="0123456789.eEinumkKMGTP+- ", max_size=12))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        quantity = parse_quantity(text)
    except QuantityError:
        return
    assert -(2**63) <= quantity.scaled(0) < 2**63
    assert not quantity > quantity


def test_resources_take_the_limit_the_override_and_the_platforms_bound() -> None:
    asked = tasks_pb2.Resources(
        requests=[{"name": "CPU", "value": "500m"}], limits=[{"name": "MEMORY", "value": "1Gi"}]
    )
    found = job_resources(asked, None, None, K8sPluginSettings(default_cpus="1000m", default_memory="1024Mi"))
    assert (found.vcpus, found.memory) == (1, 1074)
    with pytest.raises(HandlerError, match="Failed to parse resource"):
        job_resources(
            tasks_pb2.Resources(requests=[{"name": "GPU", "value": "two"}]),
            None,
            None,
            K8sPluginSettings(default_cpus="1", default_memory="1"),
        )
    with pytest.raises(HandlerError, match="Failed to parse resource"):
        job_resources(tasks_pb2.Resources(), None, None, K8sPluginSettings(default_cpus="much", default_memory="1"))


# MessagePack and protobuf texts.


@given(st.binary(max_size=40))
def test_any_bytes_are_printed_or_refused(data: bytes) -> None:
    with suppress(MsgpackError, UnhashableError):
        assert isinstance(print_msgpack(data), str)


@given(
    st.sampled_from([b"\x91", b"\x81\x01", b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff"]),
    st.integers(5_000, 50_000),
)
def test_messagepack_without_end_is_an_error(beginning: bytes, times: int) -> None:
    with pytest.raises(MsgpackError):
        print_msgpack(beginning * times)


@given(
    st.recursive(st.integers(-(2**31), 2**31) | st.booleans() | st.text(max_size=5), lambda v: st.lists(v, max_size=3))
)
def test_packed_values_are_printed_as_go_prints_them(value: Any) -> None:
    def text(one: Any) -> str:
        if isinstance(one, bool):
            return "true" if one else "false"
        return f"[{' '.join(map(text, one))}]" if isinstance(one, list) else str(one)

    assert print_msgpack(msgpack.packb(value)) == text(value)


def test_a_map_is_printed_by_kinds_of_keys() -> None:
    packed = msgpack.packb({True: 1, "b": 2, "a": 3, 300: 4, 7: 5, None: 6})
    assert print_msgpack(packed) == "map[<nil>:6 a:3 b:2 7:5 300:4 true:1]"


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (msgpack.Timestamp(0), "1970-01-01 00:00:00 +0000 UTC"),
        (msgpack.Timestamp(1, 500_000_000), "1970-01-01 00:00:01.5 +0000 UTC"),
        (msgpack.Timestamp(-1), "1969-12-31 23:59:59 +0000 UTC"),
    ],
)
def test_a_packed_time_is_printed_as_gos(stamp: msgpack.Timestamp, text: str) -> None:
    assert print_msgpack(msgpack.packb(stamp)) == text


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xa5ab", b"\x01\x02", b"\x81\x90\x01", b"\xd7\xff" + b"\xff" * 8])
def test_bad_packs_are_refused(data: bytes) -> None:
    with pytest.raises(MsgpackError):
        print_msgpack(data)


def test_bytes_as_a_key_are_gos_panic() -> None:
    literal = literals_pb2.Literal(
        scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(tag="msgpack", value=b"\x81\xc4\x01a\x01"))
    )
    with pytest.raises(PanicError, match="unhashable"):
        command_template_literal(literal)


@pytest.mark.skipif(protobuf_version < "5", reason="protobuf 4 does not read \\u0080")
@given(st.text(max_size=20))
def test_a_quoted_message_reads_back(text: str) -> None:
    from google.protobuf import text_format

    error = literals_pb2.Literal(hash=text)
    assert text_format.Parse(go_text_of_message(error), literals_pb2.Literal()) == error


def test_messages_are_written_on_one_line() -> None:
    assert go_text_of_message(struct({"b": [1, True, None], "a": {"x": 0.5}})) == (
        'fields:{key:"a" value:{struct_value:{fields:{key:"x" value:{number_value:0.5}}}}} '
        'fields:{key:"b" value:{list_value:{values:{number_value:1} values:{bool_value:true} '
        "values:{null_value:NULL_VALUE}}}}"
    )
    assert quote_text_bytes(b'a"\xff\x00\n\xc3\xa9') == '"a\\"\\xff\\x00\\n\u00e9"'
    assert go_text_of_message(Duration(seconds=90, nanos=5)) == "seconds:90 nanos:5"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (Timestamp(seconds=0), "1970-01-01T00:00:00Z"),
        (Timestamp(seconds=1, nanos=250_000_000), "1970-01-01T00:00:01.25Z"),
        (Timestamp(seconds=-62135596801), "(timestamp: seconds:-62135596801 before 0001-01-01)"),
        (Timestamp(seconds=253402300800), "(timestamp: seconds:253402300800 after 10000-01-01)"),
        (Timestamp(nanos=-1), "(timestamp: nanos:-1: nanos not in range [0, 1e9))"),
    ],
)
def test_moments_are_written_in_rfc_3339(moment: Timestamp, text: str) -> None:
    assert command_template_timestamp(moment) == text


# Templates.


def parameters(inputs: Any = None, **changes: Any) -> Parameters:
    context = TaskContext(
        template=template(),
        name="exec1-n0-0",
        project="p",
        domain="d",
        execution="exec1",
        attempt=0,
        input_prefix="s3://b",
        output_prefix="s3://b/0",
        raw_output_prefix="s3://r",
        task_path="s3://b/task.pb",
        task_id=None,
        namespace="p-d",
    )
    return Parameters(
        replace(context, **changes),
        input_path="s3://b/inputs.pb",
        checkpoint="s3://r/_flytecheckpoints",
        inputs=inputs or (lambda: literals_pb2.LiteralMap(literals={"a": integer(1), "l": integers([1, 2])})),
        task_path=lambda: "s3://b/task.pb",
    )


@given(st.text(max_size=30))
def test_a_text_without_placeholders_stays(text: str) -> None:
    if "{{" not in text:
        assert render_command([text], parameters()) == [text]


@given(st.text(max_size=12))
def test_a_dollar_in_a_value_never_breaks_the_text_around_it(value: str) -> None:
    (rendered,) = render_command(["<{{.rawOutputDataPrefix}}>"], parameters(raw_output_prefix=value.replace("{{", "")))
    assert rendered[0] == "<"
    assert rendered[-1] == ">"


def test_placeholders_are_found_in_any_case_and_spacing() -> None:
    assert render_command(["{{ $INPUT }} {{.Inputs.a}} {{.inputs.l}} {{.nothing}}"], parameters()) == [
        "s3://b/inputs.pb 1 [1,2] {{.nothing}}"
    ]


def test_letters_fold_as_gos_do() -> None:
    assert render_command(["{{.Input\u017f.a}} {{.\u0131nput}} {{.\u0130nput}} {{.Per\u212aey}}"], parameters()) == [
        "1 {{.\u0131nput}} {{.\u0130nput}} {{.Per\u212aey}}"
    ]


def test_no_text_at_all_reads_no_inputs() -> None:
    def unread() -> literals_pb2.LiteralMap:
        raise AssertionError

    assert render_command([], parameters(inputs=unread)) == []


@given(st.text(max_size=60))
def test_the_unique_key_is_an_identifier(name: str) -> None:
    assert re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)?", per_retry_unique_key(name))


# Custom.


@given(CUSTOMS)
def test_any_custom_is_a_request_or_a_bad_specification(custom: dict[str, Any]) -> None:
    try:
        request = read_submit_custom(struct(custom))
    except HandlerError as error:
        assert error.code == "BadTaskSpecification"
        return
    assert request.keys() <= SUBMIT_JOB["members"].keys()
    try:
        check_submit_input({**request, "jobDefinition": "d", "jobName": "n", "jobQueue": "q"})
    except ParameterError as error:
        assert error.problems


@given(CUSTOMS)
def test_any_custom_is_an_array_job_or_an_error(custom: dict[str, Any]) -> None:
    try:
        job = array_job_of_custom(template(custom=custom))
    except HandlerError:
        return
    assert -(2**63) <= job.size < 2**63
    assert job.min_successes == 0 or job.min_success_ratio == 0


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_a_struct_written_as_json_reads_back(value: dict[str, Any]) -> None:
    assert json.loads(custom_struct_json(struct(value)), parse_int=float) == json.loads(
        json.dumps(value), parse_int=float
    )


@pytest.mark.parametrize(
    ("custom", "job"),
    [
        ({}, ArrayJob()),
        ({"size": 3, "minSuccesses": 2}, ArrayJob(3, 2)),
        ({"size": "3", "minSuccessRatio": "0.5"}, ArrayJob(3, 0, 0.5)),
        ({"min_successes": 1, "minSuccessRatio": 0.25}, ArrayJob(0, 0, 0.25)),
        ({"size": None, "minSuccessRatio": None}, ArrayJob()),
        ({"size": "null"}, ArrayJob()),
        ({"min_success_ratio": 0.5, "minSuccessRatio": 1}, ArrayJob(0, 0, 1.0)),
        ({"minSuccessRatio": "Infinity"}, ArrayJob(0, 0, math.inf)),
        ({"minSuccessRatio": 1e-300}, ArrayJob(0, 0, 0.0)),
    ],
)
def test_custom_is_read_as_an_array_job(custom: dict[str, Any], job: ArrayJob) -> None:
    assert array_job_of_custom(template(custom=custom)) == job


@pytest.mark.parametrize(
    "custom",
    [
        {"size": 1.5},
        {"size": "many"},
        {"size": True},
        {"size": []},
        {"size": 1e21},
        {"size": ""},
        {"minSuccessRatio": "half"},
        {"minSuccessRatio": {}},
        {"minSuccessRatio": 1e300},
        {"minSuccessRatio": True},
        {"parallelism": 0.5},
    ],
)
def test_a_wrong_type_in_custom_is_an_error(custom: dict[str, Any]) -> None:
    with pytest.raises(HandlerError):
        array_job_of_custom(template(custom=custom))


@pytest.mark.parametrize(
    ("ratio", "size", "needed"),
    [(0.1, 10, 2), (0.3, 10, 4), (0.07, 100, 8), (0.5, 10, 5), (1.0, 3, 3), (0.0, 5, 0), (1.0, 0, 0), (2.0, 3, 6)],
)
def test_the_ratio_is_a_float32(ratio: float, size: int, needed: int) -> None:
    assert custom_minimum_successes(to_float32(Fraction(ratio)), size) == needed


@pytest.mark.parametrize("ratio", [math.nan, math.inf, -math.inf, 3e38])
def test_a_ratio_beyond_all_numbers_needs_the_lowest_one(ratio: float) -> None:
    assert custom_minimum_successes(ratio, 5) == -(2**63)


def test_spellings_of_a_key_merge_in_lists_and_maps() -> None:
    custom = {
        "DependsOn": [{"jobId": "a", "type": "N_TO_N"}, {"jobId": "b"}],
        "dependsOn": [{"jobId": "c"}],
        "Tags": {"a": "upper"},
        "tag\u017f": {"b": "long s"},
        "shareIdentifier": None,
        "ShareIdentifier": "gone",
    }
    assert read_submit_custom(struct(custom)) == {
        "dependsOn": [{"jobId": "c", "type": "N_TO_N"}],
        "tags": {"a": "upper", "b": "long s"},
    }


def test_what_a_request_lacks_is_named_as_the_sdk_names_it() -> None:
    request = {
        "jobName": "n",
        "tags": {},
        "nodeOverrides": {
            "nodePropertyOverrides": [None, {"containerOverrides": {"resourceRequirements": [{"type": "GPU"}]}}]
        },
        "eksPropertiesOverride": {"podProperties": {"containers": [{"env": [{"value": "v"}]}]}},
    }
    with pytest.raises(ParameterError) as caught:
        check_submit_input(request)
    assert caught.value.problems == (
        "missing required field, SubmitJobInput.JobDefinition.",
        "missing required field, SubmitJobInput.JobQueue.",
        "minimum field size of 1, SubmitJobInput.Tags.",
        "missing required field, SubmitJobInput.EksPropertiesOverride.PodProperties.Containers[0].Env[0].Name.",
        "missing required field, SubmitJobInput.NodeOverrides.NodePropertyOverrides[1].TargetNodes.",
        "missing required field, "
        "SubmitJobInput.NodeOverrides.NodePropertyOverrides[1].ContainerOverrides.ResourceRequirements[0].Value.",
    )


# Metadata.


@given(st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 20))
def test_attempts_stay_within_the_bounds(retries: int, low: int, high: int) -> None:
    found = retry_strategy_attempts(template(retries=retries), BatchPluginSettings(min_retries=low, max_retries=high))
    if retries >= 2**31:
        assert found is None
    else:
        assert found is not None
        assert low < found <= max(low, high) + 1


def test_a_timeout_is_the_tasks_whole_seconds_or_the_default() -> None:
    task = template()
    task.metadata.timeout.FromNanoseconds(1_500_000_000)
    assert retry_strategy_timeout(task, 60) == 1
    task.metadata.timeout.FromNanoseconds(500_000_000)
    assert (retry_strategy_timeout(task, 60.9), retry_strategy_timeout(task, 0.5), retry_strategy_timeout(task, 0)) == (
        60,
        0,
        None,
    )


# Images, summaries, indexes, states, jobs.


@given(st.text(max_size=200))
def test_a_definitions_name_is_one_that_aws_takes_or_none(image: str) -> None:
    assert re.fullmatch("[A-Za-z0-9_-]{0,128}", definition_name(image))


@given(st.lists(st.integers(0, 60), unique=True))
def test_ranges_name_each_index_once(indexes: list[int]) -> None:
    named = [
        index
        for first, last in re.findall(r"\[(\d+)(?:-(\d+))?\]", summary_index_ranges(indexes))
        for index in range(int(first), int(last or first) + 1)
    ]
    assert named == sorted(indexes)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.sampled_from(["a", "b\u00e9", "c" * 30])), unique_by=lambda pair: pair[0]
    ),
    st.integers(0, 120),
)
def test_a_summary_ends_soon_after_its_limit(collected: list[tuple[int, str]], limit: int) -> None:
    text = error_summary(collected, limit)
    if limit < len("... and many more."):
        assert text == ""
    lines = text.removesuffix("... and many more.").splitlines()
    before_last = sum(len(line.encode()) + 1 for line in lines[:-1])
    assert before_last < max(limit, 1)


STATES = st.builds(
    State,
    phase=st.sampled_from(Phase),
    version=st.integers(0, 2**32 - 1),
    reason=st.text(max_size=10),
    error=st.none() | st.builds(TaskError, code=st.text(max_size=3), message=st.text(max_size=5)),
    execution_size=st.integers(0, 100),
    original_size=st.integers(0, 100),
    min_successes=st.integers(-(2**63), 2**63 - 1),
    indexes_to_run=st.none()
    | st.lists(st.integers(0, 50).map(OriginalIndex), unique=True).map(lambda i: tuple(sorted(i))),
    detailed=st.lists(st.sampled_from(TaskPhase).map(int)).map(lambda items: CompactArray(4, tuple(items))),
    summary=st.dictionaries(st.sampled_from(TaskPhase), st.integers(0, 9)),
    retry_attempts=st.lists(st.integers(0, 15)).map(lambda items: CompactArray(4, tuple(items))),
    external_job_id=st.none() | st.text(max_size=4),
    definition_arn=st.text(max_size=4),
)


@given(STATES)
def test_a_state_survives_json(state: State) -> None:
    assert State.from_dict(json.loads(json.dumps(state.to_dict()))) == state


HUGE = st.integers(200_000, 2**63) | st.integers(-(2**63), -1)
PAIRS = st.lists(st.tuples(st.integers(0, 9), HUGE | st.integers(0, 9)), min_size=1, max_size=4)


@given(STATES, PAIRS, HUGE, st.sampled_from(["indexes_to_run", "detailed", "retry_attempts", "execution_size"]))
def test_a_state_of_more_items_than_an_array_has_is_not_unrolled(
    state: State, pairs: list[tuple[int, int]], size: int, what: str
) -> None:
    saved = json.loads(json.dumps(state.to_dict()))
    if what == "execution_size":
        saved[what] = size
    elif what == "indexes_to_run":
        saved[what] = [[0, 100_000], *pairs]
    else:
        saved[what]["items"] = [[1, size], *pairs]
    with pytest.raises(ValueError, match=r"items|[Ff]ield"):
        State.from_dict(saved)


@given(STATES, HUGE)
def test_a_state_whose_list_is_larger_than_an_array_is_not_counted_through(state: State, size: int) -> None:
    saved = {**state.to_dict(), "indexes_to_run": [], "original_size": size}
    with pytest.raises(ValueError, match="items"):
        State.from_dict(saved)


def test_ten_thousand_equal_children_make_a_small_state() -> None:
    state = State(
        indexes_to_run=tuple(map(OriginalIndex, range(10_000))),
        detailed=CompactArray(4, (TaskPhase.RUNNING,) * 10_000),
        retry_attempts=CompactArray(4, (1,) * 10_000),
    )
    assert len(json.dumps(state.to_dict())) < 500


@given(st.integers(0, 2**20), st.lists(st.integers(0, 2**21), max_size=5))
def test_an_array_takes_only_what_its_width_holds(largest: int, items: list[int]) -> None:
    array = CompactArray.zeros(3, largest)
    assert array.items == (0, 0, 0)
    if all(item <= array.limit for item in items):
        assert array.of(items).items == tuple(items)
    else:
        with pytest.raises(PanicError, match="is too big"):
            array.of(items)
    assert largest <= array.limit


def test_an_array_of_negative_numbers_is_an_error_as_their_unsigned_form_is_too_wide() -> None:
    with pytest.raises(HandlerError, match="invalid itemSize, must be less than the size of Item"):
        CompactArray.zeros(3, -1)


CONTAINERS = st.fixed_dictionaries(
    {},
    optional={
        "logStreamName": st.sampled_from(["a", "b", ""]),
        "reason": st.sampled_from(["why", ""]),
        "exitCode": st.integers(0, 255),
    },
)
DETAILS = st.fixed_dictionaries(
    {"jobId": st.just("j")},
    optional={
        "status": st.sampled_from(["SUBMITTED", "RUNNING", "SUCCEEDED", "FAILED", "failed", "PAUSED"]),
        "statusReason": st.sampled_from(["gone", ""]),
        "container": CONTAINERS,
        "attempts": st.lists(st.fixed_dictionaries({}, optional={"container": CONTAINERS}), max_size=3),
    },
)


@given(DETAILS)
def test_any_job_detail_is_taken_over(detail: dict[str, Any]) -> None:
    job = Job()
    update_job_in_store(job, detail)
    reported = len(detail.get("attempts", ()))
    assert job.tries == reported
    assert job.attempt_count in (reported, reported + 1)
    current = detail.get("container", {}).get("logStreamName") or ""
    streams = [one.get("container", {}).get("logStreamName") or "" for one in detail.get("attempts", ())]
    assert (job.attempt_count == reported) == (current != "" and current in streams)
    assert (job.phase is TaskPhase.UNDEFINED) == (detail.get("status") in (None, "failed", "PAUSED"))


# References and names.


@given(st.text(max_size=15), st.text(max_size=8))
def test_any_reference_is_joined_or_refused(base: str, key: str) -> None:
    try:
        joined = join_storage_url(f"s3://bucket/{base}", key)
    except StorageError as error:
        assert error.reference == f"s3://bucket/{base}"
        return
    assert isinstance(joined, str)


@given(st.lists(st.sampled_from(["a", "0", "outputs.pb", "x-y_z"]), min_size=1, max_size=3))
def test_a_local_folder_is_joined_as_it_is(keys: list[str]) -> None:
    assert join_storage_path("/home/jo doe/100%/", *keys) == "/".join(["/home/jo doe/100%", *keys])


@given(st.text(max_size=80), st.sampled_from([8, 20, 50]))
def test_a_fixed_length_id_keeps_what_fits(text: str, length: int) -> None:
    made = fixed_length_id(text, length)
    assert len(made.encode()) <= length
    assert (made == text) == (len(text.encode()) <= length)


# Cache keys.


@given(JSON)
def test_a_hash_does_not_depend_on_the_order_of_keys(value: Any) -> None:
    def turned(one: Any) -> Any:
        if isinstance(one, dict):
            return {key: turned(one[key]) for key in reversed(one)}
        return [turned(item) for item in one] if isinstance(one, list) else one

    assert object_hash(turned(value)) == object_hash(value)


def test_a_literal_with_a_hash_counts_by_that_alone() -> None:
    plain, other = integer(1), integer(2)
    plain.hash = other.hash = "same"
    first, second = (literals_pb2.LiteralMap(literals={"x": literal}) for literal in (plain, other))
    assert catalog_input_hash(first) == catalog_input_hash(second)
    assert catalog_input_hash(first) != catalog_input_hash(literals_pb2.LiteralMap(literals={"x": integer(1)}))
    listed = [
        literals_pb2.LiteralMap(
            literals={
                "x": literals_pb2.Literal(
                    map=literals_pb2.LiteralMap(
                        literals={
                            "k": literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[literal]))
                        }
                    )
                )
            }
        )
        for literal in (plain, other)
    ]
    assert catalog_input_hash(listed[0]) == catalog_input_hash(listed[1])


def test_the_keys_are_those_of_datacatalog() -> None:
    task = template(cached="1.0")
    key = CatalogKey(task.id, "1.0", task.interface, literals_pb2.LiteralMap(literals={"x": integer(7)}))
    # Computed with the Go library that flytepropeller hashes with.
    assert key.dataset() == ("proj", "development", "flyte_task-my.task", "1.0-12y3_A09-N4Mg4RHc")
    assert key.tag() == "flyte_cached-St6svg4Gn1VUAPjT5eryXk1Krn589sY0igOmnqUsMWw"
