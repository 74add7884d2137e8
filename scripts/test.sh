#!/usr/bin/env bash
# All tests in two runs; its arguments go to both: scripts/test.sh -k facts -x
#
# The first run holds the tests marked "live" (test/conftest.py says which): they keep real time over DDS, so that
# nothing else may run beside them. The second holds all others, on several cores.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
readonly NOTHING_SELECTED=5

.venv/bin/python -m pytest -m live "$@"
live=$?
# An interruption or a usage error would only come a second time.
[[ $live == 0 || $live == 1 || $live == "$NOTHING_SELECTED" ]] || exit "$live"
# One file is one worker's: what its fixtures build, they build once.
.venv/bin/python -m pytest -m "not live" --numprocesses auto --maxprocesses 4 --dist loadfile "$@"
others=$?

# With -k or a path one of the two may have nothing to do.
[[ $others == "$NOTHING_SELECTED" ]] && exit "$live"
[[ $live == 0 || $live == "$NOTHING_SELECTED" ]] && exit "$others"
exit "$live"
