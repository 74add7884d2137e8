"""Builds this package for `pip install` beside the ros-* wheels of PyPI; the builder is that of spatialvlm_msgs."""

import sys
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "spatialvlm_msgs"))
from interface_build import standalone_options  # noqa: E402

setup(**standalone_options(HERE))
