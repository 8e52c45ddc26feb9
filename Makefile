# embed-assets: `make help` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help setup demo ui test test-slow bench bench-full check format lock build clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null && { echo $$p; break; }; done)
UV := $(shell command -v uv 2>/dev/null)
STORE ?= .embed-assets/demo/store

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

setup: $(VENV)/.installed ## Make .venv and install everything into it

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 is needed; set PYTHON=/path/to/python"; exit 1; }
	@echo "Installing into $(VENV) (torch and its libraries are large: minutes the first time) ..."
ifneq ($(UV),)
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --group dev --editable '.[dagster-ray,delta,demo,faiss,milvus,openai,openvino,postgres,ray,serve,ui]'
else
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev --editable '.[dagster-ray,delta,demo,faiss,milvus,openai,openvino,postgres,ray,serve,ui]'
endif
	@touch $@

demo: setup ## Build, check and search an index of real text and pictures, without any network
	@$(BIN)/embed-assets demo

ui: setup ## Open the Dagster UI on the demo's store (STORE=... for another)
	@$(BIN)/embed-assets ui --store $(STORE)

# A worker a core, and one thread of torch in each; compiled tests are kept for the next run.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n auto --dist worksteal

test: setup ## Run the tests, but for the slow ones: minutes
	@$(PYTEST)

test-slow: setup ## Run the slow tests: builds, hostile files, killed runs, models of true size, pages that run
	@$(PYTEST) -m "slow and not hub and not gpu"

bench: setup ## The benchmarks of speed that take minutes, on real data where it is there
	@for each in "plain_loop.py --rounds 1" "encode.py --rounds 2" "growth.py --rows 10000 100000"; do \
		echo "== $$each"; $(BIN)/python benchmarks/$$each || echo "exit status $$?"; done

bench-full: setup ## All benchmarks: hours on an idle machine
	@for each in scifact plain_loop layers runtimes encode encoders growth change leaderboard reports media_sets encodings sentence \
		search_quality writers partitions serve_load serve_encode "search --others" "peers --texts 1000"; do \
		set -- $$each; file=$$1; shift; echo "== $$file $$*"; \
		$(BIN)/python benchmarks/$$file.py "$$@" || echo "exit status $$?"; done

check: setup ## Lint, format check, types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

format: setup ## Format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## Pin all dependencies anew in constraints.txt (needs uv)
	uv pip compile --quiet --universal --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
		--all-extras --group dev --output-file constraints.txt pyproject.toml

build: setup ## Build the wheel and the source archive into dist/
	@rm -rf dist
	@$(BIN)/python -m hatchling build

clean: ## Remove the environment and the demo's store
	rm -rf $(VENV) .embed-assets dist
