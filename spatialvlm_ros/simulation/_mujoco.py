"""The one place that imports MuJoCo, so that the rest of the package works without it."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any


def _headless() -> bool:
    return sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def load_mujoco() -> Any:
    """Import MuJoCo on first use; on a machine without a display pick EGL unless MUJOCO_GL says otherwise.

    Raises:
        ImportError: MuJoCo is not installed; the message names the package to install.
    """
    if _headless():
        # MuJoCo reads the variable once, while it is imported.
        os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        return importlib.import_module("mujoco")
    except ImportError as error:
        raise ImportError("the simulation needs MuJoCo: pip install mujoco") from error


def gl_context_class() -> Any:
    """The class of off-screen GL contexts that MUJOCO_GL names.

    `mujoco.GLContext` was chosen when MuJoCo was imported. If something imported it before `load_mujoco` could set the
    variable, that class needs a display, and without one it aborts the whole process.
    """
    mujoco = load_mujoco()
    backend = os.environ.get("MUJOCO_GL", "").lower().strip()
    if _headless() and backend in ("egl", "osmesa"):
        return importlib.import_module(f"mujoco.{backend}").GLContext
    return mujoco.GLContext
