# Without a ROS installation: every target makes .venv first (scripts/bootstrap.sh), once.
# On a ROS installation use colcon, as README.md says.
#
#   make demo         simulated robot: facts, answers, rewards and a carried-out plan; then demo-real where data is at hand
#   make demo-real    the same engine on real RGB-D recordings: make demo-real REAL=/path/to/data
#   make demo-seeds   the demo over many seeds, with statistics
#   make bench-demo   the demo over seeds and real frames against its gates, into benchmarks/demo.json
#   make bench-engine the engine against true scenes, real labels and a plain pipeline, into benchmarks/engine.json
#   make bench-language questions read, reasoned about and answered against true scenes, into benchmarks/language.json
#   make bench-synthesis data made of rendered and of real images against truth, into benchmarks/synthesis.json
#   make test         ruff, mypy and all tests: make test PYTEST_ARGS='-k facts -x'
#   make lint         ruff and mypy alone
#   make venv         only the set-up; PYTHON=python3.12 chooses the interpreter
#   make clean        remove .venv, caches and results

BIN := .venv/bin
PYTEST_ARGS ?=
# RGB-D folders or bags for demo-real. Empty: the frames at hand, or a sentence on where to get some.
REAL ?=
# Added to the seeds of the scenes of bench-engine, -language and -synthesis; the files in benchmarks/ are of 0.
SEED ?= 0

# Images do not fit into the default shared-memory segment; the file says more.
export FASTRTPS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds.xml
export FASTDDS_DEFAULT_PROFILES_FILE ?= $(CURDIR)/config/fastdds.xml
# Nothing here is meant for other machines on the network.
export ROS_AUTOMATIC_DISCOVERY_RANGE ?= LOCALHOST
# Rendering without a display.
export MUJOCO_GL ?= egl
# Empty: bootstrap.sh looks for one that fits.
export PYTHON ?=

.DEFAULT_GOAL := demo
.PHONY: demo demo-real demo-seeds bench-demo bench-engine bench-language bench-synthesis test lint venv clean

venv:
	@scripts/bootstrap.sh

demo: venv
	@$(BIN)/spatialvlm demo
	@$(BIN)/spatialvlm demo-real $(REAL)

demo-real: venv
	@$(BIN)/spatialvlm demo-real $(REAL)

demo-seeds: venv
	@$(BIN)/spatialvlm demo-seeds

bench-demo: venv
	@$(BIN)/spatialvlm demo-seeds --benchmark benchmarks/demo.json

bench-engine: venv
	@$(BIN)/spatialvlm bench-engine --seed $(SEED) --benchmark benchmarks/engine.json

bench-language: venv
	@$(BIN)/spatialvlm bench-language --seed $(SEED) --benchmark benchmarks/language.json

bench-synthesis: venv
	@$(BIN)/spatialvlm bench-synthesis --seed $(SEED) --benchmark benchmarks/synthesis.json

# ruff and mypy are tests too (test/test_lint.py), so the closing line tells about everything.
test: venv
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/mypy

clean:
	rm -rf .venv out build install log .mypy_cache .pytest_cache .ruff_cache *.egg-info
	rm -rf spatialvlm_msgs/build spatialvlm_msgs/*.egg-info ros_wheels/*/build ros_wheels/*/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
