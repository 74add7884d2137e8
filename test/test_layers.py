"""The house rules about who may import whom, read from the source."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "spatialvlm_ros"

# From the ground up. A module may import its own floor and those above it in this table, never one further down.
FLOORS = (
    "calm",
    "share",
    "chat",
    "geometry",
    "scene",
    "simulation",
    "language",
    "perception",
    "expressions",
    "vlm",
    "synthesis",
    "training",
    "reasoning",
    "reward",
    "planning",
    "engine",
    "environments",
    "evaluation",
    "nodes",
    "recording",
    "bringup",
    "demo",
    "doctor",
    "cli_doctor",
    "cli_synthesize",
    "cli_train",
    "cli_evaluate",
    "cli",
)
# The floors that know ROS.
EDGES = frozenset(FLOORS[FLOORS.index("nodes") :])

ROS_MODULES = frozenset(
    (
        "ament_index_python",
        "builtin_interfaces",
        "cv_bridge",
        "launch",
        "launch_ros",
        "message_filters",
        "rclpy",
        "rosbags",
        "std_srvs",
        "tf2_ros",
        "tf_transformations",
    )
)
# Slow to import, large, or absent on some machines: imported inside the function that needs them.
HEAVY_MODULES = frozenset(("torch", "transformers", "open3d", "cv2", "mujoco", "matplotlib", "av", "requests", "pyarrow", "ray"))
# Folders of networks, whose classes derive from torch's: they alone load it with the module, and nobody else loads them so.
NETWORKS = (PACKAGE / "vlm" / "embedded", PACKAGE / "training" / "embedded")
NETWORK_MODULES = frozenset(("torch", "transformers"))

MAX_FILE_LINES = 400


def module_name(path: Path) -> str:
    """Return the dotted name of the module in `path`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str | None:
    """Return the floor of a dotted name, None for the bare package and for modules of others."""
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE.name and len(parts) > 1 else None


def is_core(path: Path) -> bool:
    """Tell whether the module in `path` has to be free of ROS."""
    return floor_of(module_name(path)) not in EDGES


def is_ros(module: str) -> bool:
    """Tell whether a dotted name belongs to ROS."""
    top = module.split(".")[0]
    return top in ROS_MODULES or top.endswith("_msgs")


SOURCES = sorted(PACKAGE.rglob("*.py"))
CORE_SOURCES = [path for path in SOURCES if is_core(path)]


def is_network(path: Path) -> bool:
    """Tell whether the module in `path` may load torch together with itself."""
    return any(folder in path.parents for folder in NETWORKS)


def is_network_module(module: str) -> bool:
    """Tell whether a dotted name is that of a folder of networks, or in one."""
    names = [module_name(folder / "__init__.py") for folder in NETWORKS]
    return any(module == name or module.startswith(f"{name}.") for name in names)


def import_targets(node: ast.AST, path: Path) -> list[str]:
    """Return the absolute dotted names that one statement of the module in `path` imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = list(path.relative_to(ROOT).parent.parts)
    prefix = base[: len(base) - node.level + 1] if node.level else []
    source = ".".join([*prefix, *([node.module] if node.module else [])])
    # `from spatialvlm_ros import scene` names a floor behind the import.
    return [f"{source}.{alias.name}" for alias in node.names] if source == PACKAGE.name else [source]


def at_module_level(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from at_module_level(child)


def imports(path: Path, module_level_only: bool = False) -> list[tuple[int, str]]:
    """Return line and absolute name of each import in `path`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = at_module_level(tree) if module_level_only else ast.walk(tree)
    return [(node.lineno, name) for node in nodes if isinstance(node, ast.stmt) for name in import_targets(node, path)]


def breaches(path: Path, found: list[tuple[int, str]]) -> list[str]:
    """Return one readable line for each forbidden import."""
    return [f"{path.relative_to(ROOT)}:{line} imports {name}" for line, name in found]


def test_every_module_stands_on_a_floor() -> None:
    """A new folder has to be placed in the table before anything can import it."""
    floors = {floor_of(module_name(path)) for path in SOURCES} - {None, *FLOORS}
    assert not floors, f"place these in FLOORS: {sorted(map(str, floors))}"


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_only_go_down(path: Path) -> None:
    """No floor imports one above it."""
    own = floor_of(module_name(path))
    height = FLOORS.index(own) if own in FLOORS else -1
    wrong = [(line, name) for line, name in imports(path) if (floor := floor_of(name)) in FLOORS and FLOORS.index(floor) > height]
    assert not wrong, "\n".join(breaches(path, wrong))


@pytest.mark.parametrize("path", CORE_SOURCES, ids=module_name)
def test_core_does_not_know_ros(path: Path) -> None:
    """Not even inside a function: the core runs where there is no ROS at all."""
    wrong = [(line, name) for line, name in imports(path) if is_ros(name)]
    assert not wrong, "\n".join(breaches(path, wrong))


@pytest.mark.parametrize("path", CORE_SOURCES, ids=module_name)
def test_core_imports_heavy_libraries_late(path: Path) -> None:
    """Facts from depth start without torch, and without whatever else is not needed for them."""
    barred = HEAVY_MODULES - NETWORK_MODULES if is_network(path) else HEAVY_MODULES
    wrong = [(line, name) for line, name in imports(path, True) if name.split(".")[0] in barred]
    if not is_network(path):
        wrong += [(line, name) for line, name in imports(path, True) if is_network_module(name)]
    assert not wrong, "\n".join(breaches(path, wrong))


def test_importing_the_core_loads_neither_ros_nor_heavy_libraries() -> None:
    """What the source promises holds at run time, through all libraries in between."""
    modules = [module_name(path) for path in CORE_SOURCES if path.stem != "__main__" and not is_network(path)]
    program = (
        "import importlib, json, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    loaded = json.loads(result.stdout.splitlines()[-1])
    assert [name for name in loaded if is_ros(name) or name in HEAVY_MODULES] == []


@pytest.mark.parametrize("path", [*SOURCES, *sorted((ROOT / "test").rglob("*.py"))], ids=lambda path: path.stem)
def test_files_stay_short(path: Path) -> None:
    """A file that needs more lines has more than one reason to change."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{path.relative_to(ROOT)} has {lines} lines"
