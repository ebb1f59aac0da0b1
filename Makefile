# All work on throughtime starts here; `make help` lists it. The first target sets up .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
.DEFAULT_GOAL := help
.PHONY: help demo test test-all check nightly fmt lint types words bench experiments docs links sanitize clang neon wheel clean
.DELETE_ON_ERROR:

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## Forecast a real series and write a report, in demo/
	@$(BIN)/python examples/demo.py

test: $(VENV)/.installed  ## Run all tests but the slow ones
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(VENV)/.installed  ## Run all tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

check: lint test  ## Run what must pass before a change is merged: lint and test

# Each stage runs though one before it has failed; a table at the end names them.
nightly:  ## Run everything else that can fail: docs, sanitize, clang, neon, test-all, wheel
	@.ci/stage --keep-going docs sanitize clang neon test-all wheel

CPP = $(shell find csrc tests -name '*.[ch]pp')

fmt: $(VENV)/.installed  ## Format the code and fix what ruff can fix
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format -q .
	@$(BIN)/clang-format -i $(CPP)

lint: $(VENV)/.installed  ## Check style, format, types, workflows and the Dockerfile
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/clang-format --dry-run -Werror $(CPP)
	@$(BIN)/zizmor --offline --quiet .github
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/basedpyright

types: $(VENV)/.installed  ## Check types only
	@$(BIN)/basedpyright

words: $(VENV)/.installed  ## List the words of tools/words.toml that occur
	@$(BIN)/python -m tools.words

bench: $(VENV)/.installed  ## Compare the layers with torch.nn on this machine
	@$(BIN)/throughtime bench

experiments: $(VENV)/.installed  ## Run the classic experiments again and write docs/experiments.md
	@$(BIN)/python -m examples.experiments

docs: $(VENV)/.installed  ## Build the documentation in docs/_build
	@$(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html
	@echo "docs/_build/html/index.html"

links: $(VENV)/.installed  ## Check the links of the documentation to other sites
	@$(BIN)/sphinx-build -q -b linkcheck docs docs/_build/links

# A program without Python that runs the kernels over many problems.
define driver
@PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/$@ -G Ninja -DTHROUGHTIME_DRIVER=ON \
	-DTHROUGHTIME_WERROR=ON $(1) >/dev/null
@PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/$@ -- -j 2
endef

sanitize: sanitize-address,undefined sanitize-thread sanitize-fuzz  ## Run the kernels and their calls under the sanitizers

sanitize-%: $(VENV)/.installed
	$(call driver,-DTHROUGHTIME_SANITIZE=$*)
	./build/$@/driver

# A million calls of the module with randomly changed arguments, for one instruction set: `driver` runs the others.
sanitize-fuzz: $(VENV)/.installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build/$@ -G Ninja -DTHROUGHTIME_SANITIZE=address \
		-DTHROUGHTIME_INSTRUCTION_SETS=baseline -DTHROUGHTIME_TEST_CELLS=ON \
		-DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python >/dev/null
	@PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build/$@ -- -j 2
	OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
		LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" \
		$(BIN)/python tests/kernels/fuzz.py --engine build/$@/_engine*.so --calls 1000000

clang: $(VENV)/.installed  ## Build the kernels with clang++, and run them
	$(call driver,-DCMAKE_CXX_COMPILER=clang++)
	./build/$@/driver

neon: $(VENV)/.installed  ## Build the kernels for Arm with aarch64-linux-gnu-g++, and run them where QEMU is installed
	$(call driver,-DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++)
	@if command -v qemu-aarch64 >/dev/null; then qemu-aarch64 -L /usr/aarch64-linux-gnu build/$@/driver; \
		else echo "qemu-aarch64 is not installed: built, and not run"; fi

# From Python 3.12 on, one wheel is for all versions; an older Python gets its own. Both are built where both are there,
# and installed into environments of their own. PYTHON312 and PYTHON313 name interpreters that are not on the path.
WHERE = $(shell $(1) -c 'import sys; print(sys.executable)' 2>/dev/null)
PYTHON312 ?= $(call WHERE,python3.12)
PYTHON313 ?= $(call WHERE,python3.13)
wheel: $(VENV)/.installed  ## Build sdists and wheels in dist/, and use them in environments of their own
	@$(BIN)/python -m tools.wheels $(PYTHON312:%=--python %) $(PYTHON313:%=--check %)

clean:  ## Remove everything that was built, .venv too
	rm -rf $(VENV) build dist demo docs/_build

# Torch is installed first, with its constraints, so that nothing installed later replaces it.
$(VENV)/.torch: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: Python 3.11 or newer is needed, and $(PYTHON) is older: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch scikit-build-core nanobind cmake ninja
	@touch $@

# Editable: a change in Python needs nothing, a change of these files builds the extension again.
$(VENV)/.installed: $(VENV)/.torch pyproject.toml CMakeLists.txt $(shell find csrc)
	$(BIN)/pip install -q -c constraints.txt --no-build-isolation -e ".[dev]"
	@touch $@
