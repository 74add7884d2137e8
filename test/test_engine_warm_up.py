"""What the first image would have to wait for is done before it comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
sys.path += sys.argv[1:]
from tiny_render import NOISE, Solid, view
from spatialvlm_ros.engine import EngineConfig, SpatialEngine, warm_up
from spatialvlm_ros.scene.facts import Query

red = Solid((0.65, 0.12, 0.03), (0.06, 0.06, 0.06), 0.3, color=(190, 20, 20))
blue = Solid((0.75, -0.12, 0.03), (0.06, 0.06, 0.06), -0.2, color=(25, 45, 180))
picture, engine = view([red, blue]), SpatialEngine(EngineConfig(noise=NOISE))
if {warm}:
    warm_up()
before = set(sys.modules)
for _ in range(2):
    scene = engine.observe(picture.frame, ["red block", "blue block"])
assert engine.facts(scene, [Query("gap", "red block", "blue block")])[0].status.has_value
print(len(set(sys.modules) - before))
"""


def modules_loaded_by_images(warm: bool) -> int:
    """How many modules the first images make a fresh process load."""
    here = Path(__file__).resolve().parent
    script = SCRIPT.replace("{warm}", str(warm))
    call = [sys.executable, "-c", script, str(here), str(here.parent)]
    return int(subprocess.run(call, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_no_library_is_loaded_by_the_first_images_after_a_warm_up() -> None:
    assert modules_loaded_by_images(warm=True) == 0 < modules_loaded_by_images(warm=False)
