# make app: open the page. make test: set up and run the tests. make train: python train.py. make quality: lint, types.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
NEED    = 3.11

.PHONY: app test train style quality browser screenshots clean

app: $(VENV)/.ready
	$(BIN)/python app.py --open

train: $(VENV)/.ready
	$(BIN)/python train.py $(ARGS)

test: $(VENV)/.ready-dev browser
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(ARGS)

style: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

quality: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser: $(VENV)/.ready-dev
	$(BIN)/python tests/install_browser.py

# the pictures of the READMEs, from the page and the commands as they are
screenshots: $(VENV)/.ready-dev browser
	$(BIN)/python tools/make_screenshots.py

clean:
	rm -rf $(VENV) runs test-artifacts .pytest_cache .ruff_cache .mypy_cache .hypothesis

# A fresh virtual environment; on Linux torch comes from requirements.txt as the CPU or CUDA build pip chooses.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < tuple(map(int, "$(NEED)".split("."))))' \
	  || { echo "Python $(NEED) or newer is needed; name one: make app PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }  # half a one would be taken for a whole one

$(VENV)/.ready: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements.txt
	touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	$(BIN)/python -m pip install --disable-pip-version-check -q -r requirements-dev.txt
	touch $@
