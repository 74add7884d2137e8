"""
Package description for colcon (ament_python) and for pip.

It stays a setup.py because ament_python reads nothing else. Besides its own modules it installs what ROS looks for in a
share directory, and below colcon it builds the nested interface package, which colcon does not find by itself.
"""

import os
import sys
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup

HERE = Path(__file__).resolve().parent
NAME = "spatialvlm_ros"
INTERFACES = "spatialvlm_msgs"
NODES = ("spatial_node", "reward_node", "planner_node", "sim_robot_node")

# Lower bounds are what ROS 2 Jazzy has on Ubuntu 24.04, so that pip never replaces a package of apt.
EXTRAS = {
    # A ROS runtime where there is no ROS installation. Never beside a sourced /opt/ros.
    "wheels": ["ros-jazzy-rclpy", "ros-jazzy-rmw-fastrtps-cpp", "ros-jazzy-common-interfaces"],
    "engine": [
        "opencv-python-headless>=4.6",
        "open3d-cpu>=0.18; sys_platform == 'linux' and platform_machine == 'x86_64'",
        "open3d>=0.18; sys_platform != 'linux' or platform_machine != 'x86_64'",
        "transforms3d>=0.4.2",
    ],
    "sim": ["mujoco>=3.2"],
    "recording": ["rosbags>=0.10.6", "av>=12", "matplotlib>=3.6", "pyarrow>=14"],
    "planning": ["py_trees>=2.2"],
    # The dense reward on top of an environment.
    "gym": ["gymnasium>=1.0"],
    "synthesis": ["pyarrow>=14.0", "pillow>=10.2"],
    # Synthesis on many machines.
    "ray": ["ray>=2.9", "pyarrow>=14.0"],
    # Labels as HDF5.
    "robomimic": ["h5py>=3.8"],
    # Gigabytes; loaded only when a model is asked for, so nothing else requires it.
    "model": ["torch==2.13.0", "transformers>=5.24", "pillow>=10.2"],
    # Fine-tuning of such models on data sets of ours.
    "train": [
        "torch==2.13.0",
        "transformers>=5.24",
        "trl>=1.16",
        "peft>=0.18",
        "accelerate>=1.12",
        "datasets>=4.0",
        "pillow>=10.2",
        "matplotlib>=3.6",
    ],
    # Questions that go to a language model's server.
    "llm": ["requests>=2.31"],
    # Such a server on this machine, for the tests: `transformers serve`. Gigabytes too.
    "serve": ["torch==2.13.0", "transformers[serving]>=5.24"],
    # colcon test runs pytest only where an extra of this name asks for it.
    "test": [
        "pytest>=7.4",
        "pytest-timeout>=2.2",
        "pytest-xdist>=3.4",
        "hypothesis>=6.98",
        "mcap>=1.1",
        "catkin_pkg",
        "gymnasium>=1.0",
        "h5py>=3.8",
        "pandas>=2.1",
    ],
    # The tests of models, of their training and of data sets need these as well. Gigabytes.
    "test-models": ["datasets>=4.0", "trl>=1.0", "peft>=0.18"],
    "dev": ["ruff>=0.9", "mypy>=1.13", "types-PyYAML", "scipy-stubs; python_version >= '3.11'"],
}


def data_files() -> list[tuple[str, list[str]]]:
    """Return what goes into the install prefix, as paths relative to this file."""
    share = f"share/{NAME}"
    files = [
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (share, ["package.xml"]),
    ]
    for top in ("launch", "config"):
        directories = (HERE / top, *sorted(path for path in (HERE / top).rglob("*") if path.is_dir()))
        for directory in directories:
            names = sorted(path for path in directory.glob("*") if path.is_file() and path.suffix != ".pyc")
            if names:
                relative = directory.relative_to(HERE).as_posix()
                files.append((f"{share}/{relative}", [path.relative_to(HERE).as_posix() for path in names]))
    return files


def interface_build_options() -> dict[str, Any]:
    """Return what makes setup() build the interfaces as well: below colcon, unless they are built already."""
    if not os.environ.get("COLCON"):
        return {"zip_safe": False}
    sys.path.insert(0, str(HERE / INTERFACES))
    from interface_build import interface_options, is_installed

    return {"zip_safe": False} if is_installed(INTERFACES, unless_with=NAME) else interface_options(HERE / INTERFACES)


setup(
    name=NAME,
    version="0.1.0",
    description="Metric spatial facts, answers, rewards and plans from RGB-D images and vision-language queries.",
    maintainer="spatialvlm_ros maintainers",
    maintainer_email="maintainers@spatialvlm.example",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=[NAME, f"{NAME}.*"]),
    package_data={NAME: ["py.typed", "models/*/*"]},
    data_files=data_files(),
    install_requires=["numpy>=1.26", "scipy>=1.11", "PyYAML>=6.0"],
    extras_require=EXTRAS,
    entry_points={
        "console_scripts": [
            *(f"{node} = {NAME}.nodes.{node}:main" for node in NODES),
            f"spatialvlm = {NAME}.cli:main",
            # The labeller of bags under a name that `ros2 run` finds.
            f"label_bag = {NAME}.cli:label_bag",
        ]
    },
    **interface_build_options(),
)
