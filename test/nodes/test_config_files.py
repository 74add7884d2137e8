"""The files in config/ say what the code says, and every parameter says what it is."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from spatialvlm_ros.nodes.node_types import NODES
from spatialvlm_ros.nodes.parameters import AUTOSTART, Param, parameter_file
from spatialvlm_ros.nodes.robot_state import LinkCapsule

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
REGENERATE = "run python scripts/write_config.py"
ALL_PARAMS = [pytest.param(param, id=f"{name}.{param.name}") for name, node in NODES.items() for param in node.PARAMS]
SUFFIXES = ("_m", "_s", "_hz", "_px", "_rad", "_deg", "_m_s", "_mm")
# Numbers that have no unit.
PLAIN = re.compile(r"sigmas?|gamma|factor|share|probability|weight")


def write_config() -> Any:
    spec = importlib.util.spec_from_file_location("write_config", ROOT / "scripts" / "write_config.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NODES)
def test_the_file_of_an_executable_holds_its_defaults(name: str) -> None:
    assert (CONFIG / f"{name}.yaml").read_text() == parameter_file(name, NODES[name].PARAMS), REGENERATE


@pytest.mark.parametrize("name", NODES)
def test_the_file_parses_to_the_defaults_with_their_types(name: str) -> None:
    loaded = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())[f"/**/{name}"]["ros__parameters"]
    defaults = {param.name: param.default for param in (*NODES[name].PARAMS, AUTOSTART)}
    assert loaded == defaults
    assert {key: type(value) for key, value in loaded.items()} == {key: type(value) for key, value in defaults.items()}


def test_the_simulated_robot_is_what_the_script_writes() -> None:
    assert (CONFIG / "robots" / "sim.yaml").read_text() == write_config().simulated_robot(), REGENERATE


def test_the_simulated_robots_parameters_exist_and_its_capsules_are_readable() -> None:
    values = yaml.safe_load((CONFIG / "robots" / "sim.yaml").read_text())["/**/spatial_node"]["ros__parameters"]
    assert set(values) <= {param.name for param in NODES["spatial_node"].PARAMS}
    assert len([LinkCapsule.parse(text) for text in values["robot_capsules"]]) > 10


def test_the_script_writes_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = write_config()
    (tmp_path / "robots").mkdir()
    monkeypatch.setattr(module, "CONFIG", tmp_path)
    module.main()
    for path in tmp_path.rglob("*.yaml"):
        assert path.read_text() == (CONFIG / path.relative_to(tmp_path)).read_text(), path.name


@pytest.mark.parametrize("param", ALL_PARAMS)
def test_a_parameter_is_described_in_a_sentence(param: Param) -> None:
    assert re.fullmatch(r"\S.{8,}[.)]", param.description), param.description
    assert re.fullmatch(r"[a-z][a-z0-9_]*", param.name)


@pytest.mark.parametrize("param", ALL_PARAMS)
def test_a_parameter_names_its_unit(param: Param) -> None:
    if not isinstance(param.default, float) or PLAIN.search(param.name):
        return
    assert param.name.endswith(SUFFIXES), f"{param.name} is a number without a unit in its name: {param.description}"


@pytest.mark.parametrize("param", ALL_PARAMS)
def test_a_default_is_within_its_own_limits(param: Param) -> None:
    assert param.problem(param.default) is None
    values = param.default if isinstance(param.default, list) else [param.default]
    for value in values:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert param.minimum is None or param.minimum <= value
            assert param.maximum is None or value <= param.maximum
    if param.choices:
        assert param.default in param.choices


def test_a_wrong_choice_and_a_number_that_is_not_finite_are_refused_in_words() -> None:
    color = Param("color", "red", "A colour.", choices=("red", "blue"))
    assert color.problem("green") == "parameter color is 'green', which is not one of red, blue"
    assert "not a finite number" in str(Param("reach_m", 1.0, "A reach.").problem(float("nan")))
