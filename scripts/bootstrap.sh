#!/usr/bin/env bash
# Makes .venv: a ROS 2 Jazzy runtime from the wheels of PyPI, our interfaces, and this package in editable form.
#
#   scripts/bootstrap.sh              set up what is missing or out of date
#   PYTHON=python3.12 scripts/...     with this interpreter (3.11 to 3.13)
#   BOOTSTRAP_VENV=DIR scripts/...    there, not in .venv; BOOTSTRAP_EXTRAS=a,b with these extras of setup.py only
#   APT=no scripts/...                never install system packages, only name them
#   PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu scripts/...   torch without CUDA, gigabytes less
#
# Two stages, each with a stamp that holds the hash of what it was made from: "packages" (setup.py, build requirements,
# Python) and "interfaces" (the message definitions and their builder). A stage with a fitting stamp is skipped, and a
# stamp is written only after its stage has succeeded, so an interrupted set-up is taken up again.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$(realpath -m "${BOOTSTRAP_VENV:-$ROOT/.venv}")
STATE=$VENV/bootstrap
LOG=$STATE/log.txt
EXTRAS=${BOOTSTRAP_EXTRAS:-wheels,engine,sim,recording,planning,llm,serve,synthesis,ray,test,test-models,dev}
SUPPORTED='3\.1[123]'
# What all extras take, with what pip unpacks on the way (measured: 2.7 GB afterwards).
NEEDED_MB=3500

say() { printf 'bootstrap: %s\n' "$*"; }
fail() {
  printf 'bootstrap: %s\n' "$@" >&2
  exit 1
}

# ---------------------------------------------------------------- Python

# "3.11" for an interpreter that starts, nothing otherwise.
minor_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

find_python() {
  local candidate version
  for candidate in ${PYTHON:-python3 python3.12 python3.13 python3.11}; do
    version=$(minor_version "$candidate")
    if [[ $version =~ ^$SUPPORTED$ ]]; then
      command -v "$candidate"
      return
    fi
  done
}

# Stops when there are interpreters but none that fits. A machine without any gets Debian's.
require_python() {
  [[ -z $(find_python) ]] || return 0
  [[ -n ${PYTHON:-} ]] || command -v python3 >/dev/null || return 0
  local version
  version=$(minor_version "${PYTHON:-python3}")
  fail "no Python 3.11, 3.12 or 3.13 found; ${PYTHON:-python3} is ${version:-not to be started}." \
    "The ROS wheels and open3d exist for these versions. Install one and name it: make PYTHON=/path/to/python3.12 ..."
}

# Tells whether .venv is whole, was made for this directory, and has a supported (or the wanted) Python.
venv_is_usable() {
  [[ -x $VENV/bin/python && -f $VENV/pyvenv.cfg ]] || return 1
  # Console scripts hold absolute paths, so a venv that was moved or copied is of no use.
  grep -qF "$VENV" "$VENV/bin/activate" || return 1
  local version
  version=$(sed -n 's/^version *= *\([0-9]*\.[0-9]*\).*/\1/p' "$VENV/pyvenv.cfg")
  [[ $version =~ ^$SUPPORTED$ ]] || return 1
  [[ -z ${PYTHON:-} || $(minor_version "$PYTHON") == "$version" ]]
}

# ---------------------------------------------------------------- system packages

has_library() { "$1" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$2" 2>/dev/null; }

# Prints the Debian packages that are missing, one a line. $1: a Python, or empty.
missing_system_packages() {
  local python=$1 version
  command -v cc >/dev/null || echo gcc
  command -v c++ >/dev/null || echo g++
  if [[ -z $python ]]; then
    # Without a Python the libraries cannot be looked for; apt leaves alone what is there.
    printf '%s\n' python3 python3-venv python3-dev libusb-1.0-0 libgl1 libx11-6 libgomp1 libegl1 libegl-mesa0 libgl1-mesa-dri
    return
  fi
  version=$(minor_version "$python")
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "python$version-venv"
  "$python" -c 'import pathlib, sys, sysconfig
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())' || echo "python$version-dev"
  has_library "$python" libusb-1.0.so.0 || echo libusb-1.0-0 # open3d does not import without these
  has_library "$python" libGL.so.1 || echo libgl1
  has_library "$python" libX11.so.6 || echo libx11-6
  has_library "$python" libgomp.so.1 || echo libgomp1
  has_library "$python" libEGL.so.1 || echo libegl1 # rendering without a display
  has_library "$python" libEGL_mesa.so.0 || has_library "$python" libEGL_nvidia.so.0 || printf '%s\n' libegl-mesa0 libgl1-mesa-dri
}

# Runs a command as root; fails where that is not possible without a password.
as_root() { if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi; }

can_install() {
  [[ ${APT:-yes} != no ]] && command -v apt-get >/dev/null || return 1
  [[ $(id -u) == 0 ]] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
}

install_system_packages() {
  local missing
  mapfile -t missing < <(missing_system_packages "$(find_python)")
  [[ ${#missing[@]} -gt 0 ]] || return 0
  can_install || fail "these system packages are missing (Debian's names): ${missing[*]}" \
    "install them, e.g.: sudo apt-get install ${missing[*]}"
  say "installing system packages: ${missing[*]}"
  local log
  log=$(mktemp)
  # The package index of a fresh image is empty or old, so it is fetched once when the first try fails.
  apt_install "${missing[@]}" >"$log" 2>&1 || { as_root apt-get update && apt_install "${missing[@]}"; } >>"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install: ${missing[*]}"
  }
  rm -f "$log"
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

# ---------------------------------------------------------------- stages

# Runs a command with its output in the log. On failure shows the end of the log and stops.
quietly() {
  printf '\n$ %s\n' "$*" >>"$LOG"
  "$@" >>"$LOG" 2>&1 </dev/null && return
  # pip repeats this warning hundreds of times for indexes without a listing; it would bury the reason.
  grep -v '^WARNING: Location' "$LOG" | tail -n 30 >&2
  fail "failed: $*" "the whole log: $LOG"
}

# Nothing is kept beside the environment: a second copy of gigabytes is of no use to whoever has only this one.
pip() { quietly "$VENV/bin/python" -m pip --disable-pip-version-check --no-input --no-cache-dir "$@"; }

# A disk that fills up in the middle leaves half an environment and pip's "[Errno 28]".
require_space() {
  [[ -z ${BOOTSTRAP_EXTRAS:-} ]] || return 0
  local present free
  present=$(du -sm "$VENV" | cut -f 1)
  free=$(df --output=avail -m "$VENV" | tail -n 1 | tr -d ' ')
  ((present + free >= NEEDED_MB)) ||
    fail "the set-up needs $NEEDED_MB MB in ${VENV}; $present MB are there and $free MB of the disk are free." \
      "Free some, or choose another disk: BOOTSTRAP_VENV=DIR scripts/bootstrap.sh"
}

# Hash of the files named on stdin, with their names; extra words count too.
hash_files() {
  { printf '%s\n' "$@"; LC_ALL=C sort | xargs -d '\n' sha256sum; } | sha256sum | cut -d ' ' -f 1
}

packages_key() {
  local files=(setup.py setup.cfg spatialvlm_msgs/build_requirements.txt "$VENV/pyvenv.cfg")
  [[ ! -f ${PIP_CONSTRAINT:-} ]] || files+=("$PIP_CONSTRAINT")
  printf '%s\n' "${files[@]}" | hash_files "$EXTRAS"
}

interfaces_key() {
  find spatialvlm_msgs ros_wheels \( -name build -o -name '*.egg-info' -o -name __pycache__ \) -prune -o -type f -print |
    hash_files interfaces
}

is_done() { [[ -f $STATE/$1 && $(<"$STATE/$1") == "$2" ]]; }

install_packages() {
  say "installing Python packages (a gigabyte or more at the first time)"
  require_space
  pip install --no-compile -r spatialvlm_msgs/build_requirements.txt
  # Build isolation would fetch setuptools once more; the line above has just installed it. Python compiles what is
  # imported when it is: most of half a gigabyte of compiled files would never be.
  pip install --no-compile --no-build-isolation -e ".[$EXTRAS]"
}

build_interfaces() {
  say "building the ROS interfaces (about a minute)"
  # What setuptools left from an earlier build would go into the wheel.
  rm -rf spatialvlm_msgs/build ros_wheels/tf2_msgs/build
  pip install --no-build-isolation --no-deps --force-reinstall ./spatialvlm_msgs ./ros_wheels/tf2_msgs
  rm -rf {spatialvlm_msgs,ros_wheels/tf2_msgs}/{build,*.egg-info}
}

# A library that is missing shows here, with its name, and not in the middle of a demo.
check_imports() {
  say "checking that the libraries load"
  quietly "$VENV/bin/python" -c '
import cv2, mujoco, open3d, rclpy, scipy
import spatialvlm_msgs.action, spatialvlm_msgs.msg, spatialvlm_msgs.srv, tf2_msgs.msg'
  MUJOCO_GL=${MUJOCO_GL:-egl} "$VENV/bin/python" -c '
import mujoco
mujoco.GLContext(64, 64).make_current()' >>"$LOG" 2>&1 ||
    say "warning: MuJoCo cannot render with MUJOCO_GL=${MUJOCO_GL:-egl}; the simulation needs it (see $LOG)"
}

main() {
  cd "$ROOT"
  # A second bootstrap of this checkout waits for the first one.
  exec 9<"${BASH_SOURCE[0]}"
  flock 9

  if venv_is_usable && is_done packages "$(packages_key)" && is_done interfaces "$(interfaces_key)"; then
    return
  fi
  require_python
  install_system_packages
  if ! venv_is_usable; then
    require_python # again, because apt may have brought another version
    local python
    python=$(find_python)
    [[ -n $python ]] || fail "no Python 3.11, 3.12 or 3.13 found"
    say "making ${VENV#"$ROOT"/} with Python $(minor_version "$python")"
    "$python" -m venv --clear "$VENV"
  fi
  mkdir -p "$STATE"
  : >"$LOG"
  if ! is_done packages "$(packages_key)"; then
    rm -f "$STATE/packages"
    install_packages
    packages_key >"$STATE/packages"
  fi
  if ! is_done interfaces "$(interfaces_key)"; then
    rm -f "$STATE/interfaces"
    build_interfaces
    check_imports
    interfaces_key >"$STATE/interfaces"
  fi
  say "ready"
}

main
