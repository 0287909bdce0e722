# Everything a contributor runs. Each target sets up what is missing; a fresh machine needs only Python 3.10 to 3.12 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Installs each environment in a fraction of pip's time, and what they share only once. It trusts what this machine trusts.
UV := UV_SYSTEM_CERTS=1 $(BIN)/uv

# Tests start hundreds of interpreters; where this is set, each would compile the package anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test lint types unit start docs references coverage other-versions test-all containers bench soak clean

$(READY): setup.py
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 10) <= v < (3, 13) else \
	  "%s is Python %d.%d. flytekit runs on Python 3.10 to 3.12: name one, as in `make PYTHON=python3.12 setup`." \
	  % (sys.executable, *v))'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(UV) pip install --quiet --python $(BIN)/python --editable '.[test]'
	touch $@

setup: $(READY)

# In a home of its own, so that it runs beside whatever other versions of this package have left.
demo: export FLYTE_AWSBATCH_HOME ?= $(abspath $(VENV))/demo
demo: $(READY)
	$(BIN)/pyflyte run --env FLYTE_AWSBATCH=local examples/stdlib_census.py census --chunks 40

test: lint types docs unit start other-versions

# A file's tests stay together: they share what is dear to set up. They wait a fifth of the time, so that two cores hold
# three workers.
WORKERS ?= $(shell [ "$$(nproc 2>/dev/null || echo 2)" -gt 2 ] && echo 4 || echo 3)
PARALLEL := --numprocesses $(WORKERS) --dist loadfile

# What a newcomer does first, installations included: they ask the package registry, as no other test does.
start: $(READY)
	AWSBATCH_START_INSTALLS=1 $(BIN)/python -m pytest tests/documentation/test_start.py -k "installs or readme"

# The quick form under the oldest and the newest Python, flytekit and what it brings that setup.py admits; `test-all` has
# the whole.
QUICK := tests/sdk tests/container $(addprefix tests/local/run/,test_run.py test_launch_options.py) \
	tests/batch/execution/test_warm_tasks.py tests/batch/http/test_serve.py tests/aws/test_uploads_to_s3.py
other-versions: $(READY)
	.ci/try-version 3.10 oldest $(PARALLEL) -m "not slow" $(QUICK)
	.ci/try-version 3.12 newest $(PARALLEL) -m "not slow" $(QUICK)

# What the service is compared with and tried by, and what makes the site: apart, because their dependencies and ours slow pip's resolver down.
.venv-moto/.ready: PEER := "moto[batch,server]>=5.2" cfn-lint
.venv-awscli/.ready: PEER := awscli
.venv-docs/.ready: PEER := "mkdocs-material>=9.5,<10"
.venv-moto/.ready .venv-awscli/.ready .venv-docs/.ready: $(READY)
	$(UV) venv --quiet --clear --python $(BIN)/python $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python $(PEER)
	touch $@

# What asks for more than the oldest boto3 and aiohttp have.
NEWER := $(addprefix --ignore tests/batch/,operations http/test_cloudwatch.py http/test_http.py http/test_http_connection.py)
test-all: lint types docs coverage start
	$(BIN)/python -m pytest $(PARALLEL) -m slow --timeout 3600
	$(MAKE) containers
	.ci/try-version 3.10 oldest $(NEWER)
	.ci/try-version 3.10 1.16.0
	.ci/try-version 3.10 newest
	.ci/try-version 3.11 1.16.0
	.ci/try-version 3.12 1.16.0
	.ci/try-version 3.12 newest

# Kills and examples that no other run has tried, for hours or from a schedule. `make soak SEED=n` repeats a run.
SEED ?= $(shell date +%s)
soak: $(READY)
	@echo "make soak SEED=$(SEED)"
	RELIABILITY_SEED=$(SEED) $(BIN)/python -m pytest tests/reliability -m slow --timeout 3600
	$(BIN)/python -m pytest $(PARALLEL) --hypothesis-profile fresh --hypothesis-seed $(SEED) -m "not slow"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

unit: $(READY) .venv-moto/.ready .venv-awscli/.ready
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

# Apart from `unit`: measuring hundreds of interpreters takes as long again as the tests.
coverage: $(READY) .venv-moto/.ready .venv-awscli/.ready
	$(BIN)/coverage erase
	$(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term:skip-covered -m "not slow"

# The documentation as a site, in site/. Every warning is an error: a link that leads nowhere, a page without a place.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

# The pages and pictures that are made from the code, and those that tests make.
references: $(READY)
	$(BIN)/python -m docs.generate
	$(BIN)/python -m tests.conformance fidelity --write
	PYTHONPATH=tests/support $(BIN)/python tests/account/breaks.py

# Ratios against floors and peers of the same run; benchmarks/README.md says what they mean.
bench: $(READY) .venv-moto/.ready
	$(BIN)/python benchmarks/handler.py
	$(BIN)/python benchmarks/map_scale.py --n 1000
	$(BIN)/python benchmarks/map_scale.py --n 1000 --preload everything
	$(BIN)/python benchmarks/batch_service.py
	$(BIN)/python benchmarks/tests.py

# Suites whose jobs are processes else, with jobs in containers, their slow tests too; needs what
# .ci/install-container-engine installs.
IN_CONTAINERS := tests/batch/execution/test_running_jobs.py tests/batch/operations tests/batch/scheduling \
	tests/batch/test_suspending.py $(addprefix tests/compat/test_compat_,flows.py mixtures.py remedies.py told.py types.py) \
	tests/reliability/test_kill.py \
	'tests/reliability/test_resume.py::test_an_interrupted_map_goes_on_with_the_job_that_it_had[fork]'
containers: $(READY)
	$(BIN)/python -m pytest --isolation container --timeout 600 -k "not moto" $(IN_CONTAINERS)

clean:
	rm -rf $(VENV) .venv-* site build dist *.egg-info .coverage* .mypy_cache .ruff_cache .pytest_cache
