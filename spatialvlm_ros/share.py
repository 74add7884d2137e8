"""Where launch and config files lie: in the source tree, in a ROS prefix, or in the environment that pip installed into."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PACKAGE = "spatialvlm_ros"


def share_directory() -> Path:
    """The directory that holds config/ and launch/.

    Raises:
        FileNotFoundError: naming the places that were tried.
    """
    prefixes = [*filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)), sys.prefix]
    places = [Path(__file__).resolve().parents[1], *(Path(prefix) / "share" / PACKAGE for prefix in prefixes)]
    for place in places:
        if (place / "package.xml").is_file() and (place / "config").is_dir():
            return place
    raise FileNotFoundError(f"no config directory of {PACKAGE}; looked in {', '.join(map(str, places))}; is it installed?")


def config_file(*parts: str) -> Path:
    """A file below config/. Raises FileNotFoundError with its path when it does not exist."""
    path = share_directory().joinpath("config", *parts)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    return path
