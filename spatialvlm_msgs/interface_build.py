"""
Builds ROS interface packages with CMake from a setup.py.

It exists for two cases that colcon alone does not cover: a virtual environment with the ros-* wheels of PyPI, where pip
is the only build tool, and an interface package nested below another package, where colcon does not look. In both, the
CMakeLists.txt that a ROS installation uses stays the only description of the interfaces.
"""

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from setuptools import Distribution
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
RUNTIME = ("ros-jazzy-rclpy", "ros-jazzy-rmw-fastrtps-cpp", "ros-jazzy-common-interfaces")
PACKAGE_INDEX = Path("share", "ament_index", "resource_index", "packages")
# colcon replaces sys.prefix and distutils commands by directories of these names on PYTHONPATH. The Python that CMake
# asks for its headers must not see them.
COLCON_OVERRIDES = ("prefix_override", "colcon_distutils_commands")


def manifest_field(source: Path, field: str) -> str:
    """Return the text of a top-level element of the package.xml in `source`; ValueError when it is missing."""
    text = ElementTree.parse(source / "package.xml").getroot().findtext(field)
    if not text:
        raise ValueError(f"{source / 'package.xml'} has no <{field}>")
    return " ".join(text.split())


def build_requirements() -> list[str]:
    """Return the lines of build_requirements.txt that name a package."""
    lines = (HERE / "build_requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def is_installed(name: str, unless_with: str) -> bool:
    """
    Tell whether a prefix of the environment holds the package `name`.

    A prefix that also holds `unless_with` does not count: it is an earlier build of both, which a sourced workspace
    leaves in the environment although it is about to be replaced.
    """
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        index = Path(prefix) / PACKAGE_INDEX
        if (index / name).exists() and not (index / unless_with).exists():
            return True
    return False


def cmake_environment() -> dict[str, str]:
    """Return the environment in which CMake finds ament, the wheels' packages and the right Python."""
    import ament_package  # lies in the prefix of the wheels, or of the ROS installation

    environment = dict(os.environ)
    prefix = str(Path(ament_package.__file__).resolve().parents[4])
    for variable in ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH"):
        environment[variable] = environment.get(variable) or prefix
    python_path = environment.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(path for path in python_path if path and Path(path).name not in COLCON_OVERRIDES)
    # An environment that is used without being activated has its cmake and ninja beside its python.
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment.get("PATH", os.defpath)))
    return environment


def run_cmake(source: Path, build: Path, install: Path) -> None:
    """Configure, build and install the package in `source`. subprocess.CalledProcessError when a step fails."""
    environment = cmake_environment()
    cmake = shutil.which("cmake", path=environment["PATH"])
    if cmake is None:
        raise FileNotFoundError("cmake is missing: pip install cmake, or install the system's package")
    # A cache remembers the absolute path of its compiler, generator and Python. Those of another environment would be
    # used silently; the interfaces are few enough to be built anew.
    shutil.rmtree(build, ignore_errors=True)
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=environment["PATH"]) else []
    configure = [cmake, "-S", source, "-B", build, *generator]
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "BUILD_TESTING": "OFF",
        "CMAKE_INSTALL_PREFIX": install,
        "Python3_EXECUTABLE": sys.executable,
    }
    subprocess.run([*configure, *(f"-D{name}={value}" for name, value in options.items())], check=True, env=environment)
    subprocess.run([cmake, "--build", build, "--parallel", "--target", "install"], check=True, env=environment)


class BuildInterfaces(build_ext):
    """Replaces the compilation of extension modules by that of the interface packages in `sources`."""

    sources: tuple[Path, ...] = ()

    def run(self) -> None:
        """Build every package and hand its files to setuptools."""
        for source in self.sources:
            self.build_package(source)

    def build_package(self, source: Path) -> None:
        """Build one package: its Python module becomes a module of the distribution, the rest becomes data files."""
        name = manifest_field(source, "name")
        build = Path(self.build_temp).resolve() / name
        install = build / "install"
        run_cmake(source, build, install)

        modules = list(install.glob(f"**/*-packages/{name}"))
        if len(modules) != 1:
            raise RuntimeError(f"{name}: expected one Python module below {install}, found {len(modules)}")
        target = (Path.cwd() if self.inplace else Path(self.build_lib)) / name
        # In place is meant for the build directory of colcon --symlink-install, never for the source tree.
        if (target / "package.xml").exists():
            raise RuntimeError(f"{target} is a source directory; build in another directory")
        shutil.rmtree(target, ignore_errors=True)  # an interface that was removed must not live on
        shutil.copytree(modules[0], target)

        files: dict[str, list[str]] = {}
        for path in sorted(install.rglob("*")):
            if path.is_file() and modules[0].parent not in path.parents:
                files.setdefault(path.parent.relative_to(install).as_posix(), []).append(str(path))
        self.distribution.data_files = [*(self.distribution.data_files or []), *sorted(files.items())]

    def get_outputs(self) -> list[str]:
        """Return no outputs: setuptools would look for them where extension modules go."""
        return []


class PlatformDistribution(Distribution):
    """A distribution for one platform and one Python, which makes setuptools run build_ext."""

    def has_ext_modules(self) -> bool:
        """Tell setuptools that there is something to compile, although it knows of no extension module."""
        return True


def interface_options(*sources: Path) -> dict[str, Any]:
    """Return the arguments that make setup() build the interface packages in `sources` along with its own modules."""
    command = type("BuildInterfaces", (BuildInterfaces,), {"sources": sources})
    return {"cmdclass": {"build_ext": command}, "distclass": PlatformDistribution, "zip_safe": False}


def standalone_options(source: Path) -> dict[str, Any]:
    """Return all arguments of setup() for a distribution that is the interface package in `source` and nothing else."""
    return {
        "name": manifest_field(source, "name"),
        "version": manifest_field(source, "version"),
        "description": manifest_field(source, "description"),
        "license": manifest_field(source, "license"),
        "python_requires": ">=3.10",
        "packages": [],
        "py_modules": [],
        "setup_requires": build_requirements(),
        "install_requires": list(RUNTIME),
        **interface_options(source),
    }
