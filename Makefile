# Everything a person does, from an empty machine with Python 3.11 or newer: each target sets up what it needs.

PYTHON ?= python3
SUITE ?= default
OUT ?= results
JOBS ?=
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup benchmark test check docs release-check bench bench-fusion bench-gpu bench-faults report clean

setup: $(READY)

# A stamp, so that a second call installs nothing unless what is to be installed has changed.
$(READY): setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "nevis-harness needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV): torch and the rest, a few GB once"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[data,cluster,dev,docs]'
	@# Left behind in the tree, it would hide later entry points from a harness that is called here.
	@rm -rf *.egg-info
	@$(BIN)/harness data fetch resnet50_half
	@$(BIN)/harness data fetch squeezenet1_1
	@touch $@

benchmark: $(READY)
	@# Where some runs failed (1), the report shows the rest and which ones they were.
	@code=0; $(BIN)/harness run $(SUITE) --out $(OUT) $(if $(JOBS),--jobs $(JOBS)) || code=$$?; \
	if [ $$code -le 1 ]; then $(BIN)/harness report $(OUT) || code=$$?; fi; exit $$code

test: $(READY)
	@# A file stays with one worker: what its tests share is made once, and no two workers fetch the browser's packages.
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@# The strategy that the README shows, as a person who is strict would check it.
	@$(BIN)/mypy --config-file= --strict --follow-imports=silent --cache-dir .mypy_cache/readme -c "$$(sed -n '/^```python$$/,/^```$$/p' README.md | sed '/^```/d')"
	@$(BIN)/lint-imports

docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "build/site/index.html"

# What a stranger gets: the wheel alone, in an environment and with a cache that have nothing else, outside of this tree.
release-check: $(READY)
	@rm -rf build/release build/lib build/bdist.* && mkdir -p build/release
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir build/release .
	@rm -rf *.egg-info
	@$(PYTHON) -m venv build/release/venv
	@build/release/venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$$(ls $$PWD/build/release/*.whl)[data]"
	@cd build/release && export NEVIS_HARNESS_CACHE=$$PWD/cache && venv/bin/harness --version \
	&& venv/bin/harness data fetch resnet50_half && venv/bin/harness run smoke --out smoke && venv/bin/harness report smoke
	@cd build/release && venv/bin/python -c "import harness; print(len(harness.load('reference').runs), 'reference runs read from', harness.__file__)"

bench: $(READY)
	@$(BIN)/python -m bench --write

bench-fusion: $(READY)
	@$(BIN)/python -m bench.fusion

# On a machine with a CUDA card; ten minutes at most.
bench-gpu: $(READY)
	@$(BIN)/python -m bench.gpu --write

bench-faults: $(READY)
	@$(BIN)/python -m bench.faults

report: $(READY)
	@$(BIN)/harness report $(OUT)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
