# Two commands do everything: `make demo` and `make test`. Both make their own environment first.
PYTHON ?= python3
BIN := .venv/bin
BUF_VERSION := 1.75.0

.DEFAULT_GOAL := help
.PHONY: help env demo test test-long test-oracle simulate check golden format proto reference dashboard proto-lint lock sbom wheel test-wheel bench-billing bench-catalog bench-closing bench-event-prices bench-fairness bench-rating bench-metering bench-spend clean test-ids test-histories

help: ## what can be made here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

env: .venv/server.stamp ## .venv with the engine and the command `meterline`, and nothing else

demo: .venv/server.stamp ## real usage in, exact line items out, in under a minute once installed
	@$(BIN)/python -m examples.demo

test: .venv/dev.stamp ## every test, in about fifty minutes on two cores
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(if $(REQUIRE_TOOLS),--require-tools) tests

test-long: .venv/dev.stamp ## the full form of the long tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m long --run-long tests

test-ids: .venv/dev.stamp ## ids voided, amended and undone in 100,000 random steps, beside a model (STEPS=20000, SEED=7)
	@$(BIN)/python -m tests.support.usage.live_ids --steps $(or $(STEPS),100000) $(if $(SEED),--seed $(SEED))

test-histories: .venv/dev.stamp ## 100,000 random subscriptions that change, billed beside exact fractions (COUNT=20000, SEED=7)
	@$(BIN)/python -m tests.support.history_oracle --count $(or $(COUNT),100000) $(if $(SEED),--seed $(SEED))

test-oracle: .venv/dev.stamp ## a million random charges and ten thousand invoices, the rating core against the oracle
	@$(BIN)/python -m pytest -m long --run-long tests/rating/test_oracle_agrees.py tests/rating/test_oracle_settles.py

simulate: .venv/dev.stamp ## random histories of ingestion with crashes and faults (SEEDS=7, SEEDS=0:100000)
	@$(BIN)/python -m tests.support.simulation.simulate $(or $(SEEDS),0:20000)

check: .venv/dev.stamp proto-lint ## lint, formatting, types, wire contract
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

golden: .venv/dev.stamp ## write tests/golden/files anew from what the engine answers now (GOLDEN=help|chart|demo|models)
	@$(BIN)/python -m tests.golden.record $(GOLDEN)

format: .venv/dev.stamp ## rewrite the code in the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proto: .venv/dev.stamp ## regenerate meterline/v1 from proto/
	@$(BIN)/python -m grpc_tools.protoc -I proto --python_out=. --pyi_out=. --grpc_python_out=. proto/meterline/v1/*.proto

reference: .venv/dev.stamp ## write docs/reference.md from the code: commands, options, RPCs, metrics
	@$(BIN)/python -m docs.make_reference

dashboard: .venv/dev.stamp ## write observability/grafana-dashboard.json from its panels
	@$(BIN)/python -m observability.make_dashboard

proto-lint: .tools/node_modules/.bin/buf
	@.tools/node_modules/.bin/buf lint proto

lock: .venv/dev.stamp ## resolve the dependencies anew, with hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile pyproject.toml --extra server --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file requirements/server.lock
	@$(BIN)/uv pip compile pyproject.toml --extra server --extra telemetry --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --constraints requirements/server.lock --output-file requirements/container.lock
	@$(BIN)/uv pip compile pyproject.toml --extra server --extra telemetry --group build --group dev --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file requirements/dev.lock
	@$(BIN)/uv pip compile pyproject.toml --extra server --extra telemetry --group build --group dev --group bench --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet --output-file requirements/bench.lock

sbom: .venv/dev.stamp ## write dist/meterline.cdx.json: what the container is made of (CycloneDX)
	@mkdir -p dist && $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file dist/meterline.cdx.json requirements/container.lock && ls dist/meterline.cdx.json

wheel: .venv/dev.stamp ## build dist/*.whl
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist . >/dev/null && ls dist

test-wheel: wheel ## the wheel alone, in an empty environment, serves and rates
	@$(BIN)/python tests/wheel_alone.py dist

bench-ingest: .venv/bench.stamp ## durable events a second over gRPC, beside raw inserts and PostgreSQL (BENCH=...)
	@$(BIN)/python -m bench.bench_ingest $(BENCH)

bench-client: .venv/dev.stamp ## what one record costs its caller: in memory, on disk, with fsync, on an event loop
	@$(BIN)/python -m bench.bench_client

bench-fairness: .venv/dev.stamp ## what one tenant's flood does to another, over gRPC and HTTP (BENCH=...)
	@$(BIN)/python -m bench.bench_fairness $(BENCH)

bench-metering: .venv/bench.stamp ## usage read back from 1M and 10M events, rollups and their upkeep (BENCH=--hundred-million)
	@$(BIN)/python -m bench.bench_metering $(BENCH)

bench-billing: .venv/dev.stamp ## spend and lines of 100,000 subscriptions, beside a bare aggregation and the kernel (BENCH=--small)
	@$(BIN)/python -m bench.bench_billing $(BENCH)

bench-spend: .venv/dev.stamp ## spend, watches, access and reservations while somebody waits (BENCH=--hundred-million)
	@$(BIN)/python -m bench.bench_spend $(BENCH)

bench-closing: .venv/dev.stamp ## a month of 10,000 subscriptions closed, and three simulated, beside a bare aggregation (BENCH=--small)
	@$(BIN)/python -m bench.bench_closing $(BENCH)

bench-event-prices: .venv/dev.stamp ## spend under a price with terms per event, beside a plain one (BENCH=...)
	@$(BIN)/python -m bench.bench_event_prices $(BENCH)

bench-catalog: .venv/dev.stamp ## a catalog of a million customers: applied, started with, changed, listed (BENCH=...)
	@$(BIN)/python -m bench.bench_catalog $(BENCH)

bench-rating: .venv/dev.stamp ## charges rated a second, beside a Decimal loop and SQL (BENCH=--ten-million)
	@$(BIN)/python -m bench.bench_rating $(BENCH)

clean: ## remove what make made
	rm -rf .venv .tools dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The stamps: an environment is made again when its lock changes.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "meterline needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Point to one: make PYTHON=python3.11 ...")'
	@echo "making .venv"
	@$(PYTHON) -m venv .venv

.venv/server.stamp: requirements/server.lock .venv/bin/python
	@echo "installing the locked dependencies (once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/server.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements/dev.lock .venv/bin/python
	@echo "installing the locked development dependencies (once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/server.stamp $@

.venv/bench.stamp: requirements/bench.lock .venv/dev.stamp
	@echo "installing what the benches compare with (once)"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/bench.lock
	@touch $@

.tools/node_modules/.bin/buf:
	@command -v npm >/dev/null || { echo "make check lints the wire contract with buf, which comes from npm: install Node.js and npm" >&2; exit 2; }
	@npm install --silent --no-audit --no-fund --no-save --prefix .tools @bufbuild/buf@$(BUF_VERSION)
