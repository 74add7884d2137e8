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
#   make bench-model  the embedded model, or MODEL=..., by words against truth, into benchmarks/model.json
#   make bench-reward dense rewards of simulated episodes against truth, into benchmarks/reward.json
#   make bench-label  how fast recordings are labelled and in how much memory, into benchmarks/label.json
#   make bench-reward-learning reinforcement learning with sparse, raw, shaped and dense rewards, into benchmarks/reward_learning.json
#   make ablations    the paper's ablations at small scale, three seeds each, into benchmarks/ablations.json
#   make train-embedded the model in spatialvlm_ros/models from nothing, into out/train-embedded; hours, goes on where it stopped
#   make train-joints what tells whether two pieces of surface are one thing, into out/train-joints; five minutes of one core
#   make refit-decoder the embedded model's decoder to what is measured now, into out/refit-decoder; an hour
#   make bench-designs the embedded model's design against another on the same budget, into benchmarks/designs.json
#   make bench-reward-robosuite dense rewards of robosuite's PickPlace tasks, into benchmarks/reward_robosuite.json
#   make test         ruff, mypy and all tests: make test PYTEST_ARGS='-k facts -x'
#   make test-jazzy   what runs on a robot, with Python 3.12 and the versions of apt's Jazzy, in a set-up of its own
#   make lint         ruff and mypy alone
#   make venv         only the set-up; PYTHON=python3.12 chooses the interpreter
#   make clean        remove .venv, caches and results

BIN := .venv/bin
PYTEST_ARGS ?=
# RGB-D folders or bags for demo-real. Empty: the frames at hand, or a sentence on where to get some.
REAL ?=
# Added to the seeds of the scenes of bench-engine, -language, -synthesis and -model; the files in benchmarks/ are of 0.
SEED ?= 0
# The model of bench-model: embedded, a folder, hub:owner/name@revision, http://host:port/v1#model, or words.
MODEL ?= embedded

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
.PHONY: demo demo-real demo-seeds bench-demo bench-engine bench-language bench-synthesis bench-model bench-reward bench-reward-learning bench-reward-robosuite bench-label ablations train-embedded train-joints refit-decoder bench-designs test test-jazzy lint venv clean

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

# MODEL=words measures the fallback in the model's place.
bench-model: venv
	@$(BIN)/spatialvlm bench-model --seed $(SEED) --model $(MODEL) --benchmark benchmarks/model.json

# Needs stable-baselines3, which nothing else here does: it is installed for it.
bench-reward-learning: venv
	@$(BIN)/pip install --quiet "stable-baselines3>=2.4"
	@$(BIN)/spatialvlm bench-reward-learning --benchmark benchmarks/reward_learning.json

# Episodes come from robosuite, which wants another MuJoCo than ours: it gets an environment of its own.
ROBOSUITE := out/robosuite/venv
bench-reward-robosuite: venv
	@[ -x $(ROBOSUITE)/bin/python ] || $(BIN)/python -m venv $(ROBOSUITE)
	@$(ROBOSUITE)/bin/pip install --quiet robosuite==1.5.2 mujoco==3.9.0
	@$(ROBOSUITE)/bin/python scripts/robosuite_episodes.py --out out/robosuite/episodes
	@$(BIN)/spatialvlm bench-reward-robosuite --benchmark benchmarks/reward_robosuite.json

bench-reward: venv
	@$(BIN)/spatialvlm bench-reward --seed $(SEED) --benchmark benchmarks/reward.json

bench-label: venv
	@$(BIN)/spatialvlm bench-label --seed $(SEED) --benchmark benchmarks/label.json

ablations: venv
	@$(BIN)/spatialvlm bench-ablations --benchmark benchmarks/ablations.json

# DEVICE=cuda for a GPU; TRAIN_ARGS='--seconds 600' for a slice, after which the next call goes on.
DEVICE ?= cpu
TRAIN_ARGS ?=
train-embedded: venv
	@$(BIN)/python -m spatialvlm_ros.training.embedded.train --device $(DEVICE) $(TRAIN_ARGS)

# What perception/joints.py judges by. To ship them: copy both files to spatialvlm_ros/models/joints.
train-joints: venv
	@$(BIN)/python -m spatialvlm_ros.training.joints --out out/train-joints

# REFIT_ARGS='--steps 0' fits temperatures, deviations and verdicts alone: minutes. To ship it: copy the files of out/refit-decoder/model
# to spatialvlm_ros/models/embedded.
REFIT_ARGS ?=
refit-decoder: venv
	@$(BIN)/python -m spatialvlm_ros.training.embedded.refit_decoder --out out/refit-decoder $(REFIT_ARGS)

bench-designs: venv
	@$(BIN)/spatialvlm bench-designs --seed $(SEED) --benchmark benchmarks/designs.json

# ruff and mypy are tests too (test/test_lint.py), so the closing line tells about everything.
test: venv
	@scripts/test.sh $(PYTEST_ARGS)

# Ubuntu 24.04's versions, from wheels. What needs torch is left out: apt has none.
JAZZY := out/jazzy/venv
WITH_TORCH := vlm training synthesis evaluation test_engine_vlm.py test_engine_vlm_answers.py test_engine_vlm_failures.py \
  perception/models nodes/test_spatial_vlm.py recording/test_ask_vlm.py reasoning/test_endpoint.py reasoning/test_friend.py reasoning/test_proposer.py
test-jazzy:
	@PYTHON=$(or $(PYTHON),python3.12) BOOTSTRAP_VENV=$(JAZZY) PIP_CONSTRAINT=$(CURDIR)/scripts/jazzy_versions.txt \
	  BOOTSTRAP_EXTRAS=wheels,engine,sim,recording,planning,llm,ray,test scripts/bootstrap.sh
	@$(JAZZY)/bin/python -m pytest $(addprefix --ignore=test/,test_lint.py $(WITH_TORCH)) $(PYTEST_ARGS)

lint: venv
	@$(BIN)/ruff check .
	@$(BIN)/mypy

clean:
	rm -rf .venv out build install log .mypy_cache .pytest_cache .ruff_cache *.egg-info
	rm -rf spatialvlm_msgs/build spatialvlm_msgs/*.egg-info ros_wheels/*/build ros_wheels/*/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
