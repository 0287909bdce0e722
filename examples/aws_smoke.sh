#!/usr/bin/env bash
# A short run in a real AWS account: the checks, a map and a single task, their logs, a resume after kill -9, and an
# interruption. Then it cleans up. It costs a few minutes of the smallest machine.
#
#     FLYTE_AWSBATCH_CONFIG=awsbatch.yaml STORAGE=s3://census-data/runs \
#     IMAGE=111122223333.dkr.ecr.us-east-2.amazonaws.com/census:1 examples/aws_smoke.sh
#
# The settings name a queue and a role of jobs (docs/how-to/aws-account.md). STORAGE is a place that you and the jobs may
# write; all files go below a folder of the script's own there, which it removes. The image has this package. What stays
# is the image's job definition, for the next run, and the logs in CloudWatch.
set -euo pipefail

: "${FLYTE_AWSBATCH_CONFIG:?names the settings of the account}"
: "${STORAGE:?names a place in S3 for files}"
: "${IMAGE:?names an image with flytekitplugins-awsbatch}"
CENSUS="$(cd "$(dirname "$0")" && pwd)/stdlib_census.py"
CHUNKS="${CHUNKS:-4}"
SCRATCH="$(mktemp -d)"
STORAGE="${STORAGE%/}/smoke-$(basename "$SCRATCH")"
printf 'emulator: {storage: "%s"}\n' "$STORAGE" >"$SCRATCH/smoke.yaml"
export FLYTE_AWSBATCH=aws FLYTE_AWSBATCH_HOME="$SCRATCH/home"
export FLYTE_AWSBATCH_CONFIG="$FLYTE_AWSBATCH_CONFIG:$SCRATCH/smoke.yaml"

say() { printf '\n== %s\n' "$*"; }
census() { echo pyflyte run --image "$IMAGE" "$CENSUS" census --chunks "$1"; }
field() { python3 -c "import json, sys; $1" 2>/dev/null; }
newest() { flyte-awsbatch runs --json | field 'print(json.load(sys.stdin)[0]["name"])'; }

# Waits until the run that was just begun has a job.
until_submitted() {
    for _ in $(seq 180); do
        if [ "$(newest)" != "$1" ] &&
            flyte-awsbatch jobs --json | field 'sys.exit(not any(job["job"] for job in json.load(sys.stdin)["jobs"]))'; then
            return
        fi
        sleep 1
    done
    echo "no job was submitted"
    return 1
}

clean_up() {
    status=$?
    set +e
    say "Cleaning up"
    flyte-awsbatch runs --json | field 'print("\n".join(run["name"] for run in json.load(sys.stdin)))' |
        while read -r execution; do flyte-awsbatch kill "$execution"; done
    # fsspec and s3fs came with flytekit.
    python - "$STORAGE" <<'PYTHON' || echo "left: $STORAGE"
import sys
import fsspec
storage = fsspec.filesystem("s3")
if storage.exists(sys.argv[1]):
    storage.rm(sys.argv[1], recursive=True)
PYTHON
    rm -rf "$SCRATCH"
    if [ "$status" = 0 ]; then say "All is well."; else say "Failed with status $status."; fi
    exit "$status"
}
trap clean_up EXIT

say "Whether the account fits the settings"
flyte-awsbatch doctor --image "$IMAGE" "$CENSUS" || echo "doctor found something; the run tells whether it matters"

say "A run from its beginning to its end"
$(census "$CHUNKS")
flyte-awsbatch jobs --children
job=$(flyte-awsbatch jobs --json | field 'print(json.load(sys.stdin)["jobs"][0]["job"])')
flyte-awsbatch logs "$job:0" || echo "(it printed nothing)"

say "A run that is killed, and resumed"
before=$(newest)
$(census $((CHUNKS + 1))) &
process=$!
until_submitted "$before"
kill -9 "$process"
wait "$process" 2>/dev/null || true
FLYTE_AWSBATCH_RESUME="$(newest)" $(census $((CHUNKS + 1)))

say "A run that is interrupted: its jobs are terminated"
before=$(newest)
$(census $((CHUNKS + 2))) &
process=$!
until_submitted "$before"
kill -TERM "$process"
wait "$process" 2>/dev/null || true
flyte-awsbatch jobs
