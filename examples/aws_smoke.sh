#!/usr/bin/env bash
# A short run in a real AWS account: a map and a single task, a resume after kill -9, Ctrl-C, logs; then it cleans up.
# It costs a few minutes of the smallest machine.
#
#     FLYTE_AWSBATCH_CONFIG=awsbatch.yaml IMAGE=111122223333.dkr.ecr.us-east-2.amazonaws.com/census:1 examples/aws_smoke.sh
#
# The settings name a queue, a role of jobs and a storage in S3 (docs/how-to/aws-account.md); the image has this package.
# Objects of the run are removed from S3 with the AWS CLI; without it, their place is printed.
set -euo pipefail

: "${FLYTE_AWSBATCH_CONFIG:?names the settings of the account}"
: "${IMAGE:?names an image with flytekitplugins-awsbatch}"
CENSUS="$(cd "$(dirname "$0")" && pwd)/stdlib_census.py"
CHUNKS="${CHUNKS:-4}"
FLYTE_AWSBATCH_HOME="$(mktemp -d)"
export FLYTE_AWSBATCH=aws FLYTE_AWSBATCH_HOME

say() { printf '\n== %s\n' "$*"; }
run() { pyflyte run --image "$IMAGE" "$CENSUS" census --chunks "$CHUNKS"; }
newest() { flyte-awsbatch runs --json | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["name"])'; }
submitted() { flyte-awsbatch jobs --json 2>/dev/null | python3 -c 'import json, sys; sys.exit(not any(job["job"] for job in json.load(sys.stdin)["jobs"]))' 2>/dev/null; }
wait_for_job() { for _ in $(seq 120); do submitted && return; sleep 1; done; echo "no job was submitted"; return 1; }

storage_of() {
    python3 - "$1" <<'PYTHON'
import json, pathlib, sys
nodes = pathlib.Path(sys.argv[1]).glob("runs/*/nodes/*.json")
print("\n".join(sorted({str(json.loads(node.read_text()).get("output_prefix") or "") for node in nodes} - {""})))
PYTHON
}

clean_up() {
    status=$?
    say "Cleaning up"
    flyte-awsbatch runs --json | python3 -c 'import json, sys; print("\n".join(run["name"] for run in json.load(sys.stdin)))' |
        while read -r execution; do [ -z "$execution" ] || flyte-awsbatch kill "$execution" || true; done
    storage_of "$FLYTE_AWSBATCH_HOME" | while read -r prefix; do
        case "$prefix" in
        s3://*) if command -v aws >/dev/null; then aws s3 rm --recursive --only-show-errors "$prefix"; else echo "left: $prefix"; fi ;;
        esac
    done
    rm -rf "$FLYTE_AWSBATCH_HOME"
    [ "$status" = 0 ] && say "All well." || say "Failed with status $status."
    exit "$status"
}
trap clean_up EXIT

say "The account fits the settings"
flyte-awsbatch doctor --image "$IMAGE" "$CENSUS" || echo "doctor found something; the run will tell whether it matters"

say "A run from its beginning to its end"
run
flyte-awsbatch jobs --children
job=$(flyte-awsbatch jobs --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["jobs"][0]["job"])')
flyte-awsbatch logs "$job:0" || echo "no log (it may have been cached)"

say "A run that is killed, and resumed"
CHUNKS=$((CHUNKS + 1)) run &
process=$!
sleep 5
wait_for_job
kill -9 "$process"
wait "$process" 2>/dev/null || true
execution=$(newest)
CHUNKS=$((CHUNKS + 1)) FLYTE_AWSBATCH_RESUME="$execution" run

say "A run that is interrupted: its jobs are terminated"
CHUNKS=$((CHUNKS + 2)) run &
process=$!
sleep 5
wait_for_job
kill -TERM "$process"
wait "$process" 2>/dev/null || true
flyte-awsbatch jobs
