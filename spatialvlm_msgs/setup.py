"""Builds this package for `pip install` beside the ros-* wheels of PyPI; colcon uses CMakeLists.txt instead."""

import sys
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
# PEP 517 front ends do not put the directory of setup.py on the path.
sys.path.insert(0, str(HERE))
from interface_build import standalone_options  # noqa: E402

setup(**standalone_options(HERE))
