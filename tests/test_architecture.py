"""The house rules that a machine can check: import direction, public names, quick start, documented conventions."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = {"kernels": set(), "drn_core": {"kernels"}, "retarget": {"drn_core"}}
"""What each package may import of ours besides itself."""


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


@pytest.mark.parametrize("package", LAYERS)
def test_imports_go_one_way(package: str) -> None:
    own = set(LAYERS) | {"tests", "scripts"}
    for path in _modules(package):
        foreign = {name.split(".")[0] for name in _imported(path)} & own - LAYERS[package] - {package}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_ops_is_the_only_door_to_the_kernels() -> None:
    for path in _modules("drn_core"):
        if path.name != "ops.py":
            assert not {name for name in _imported(path) if name.split(".")[0] == "kernels"}, path


@pytest.mark.parametrize("library", ["mediapipe", "argparse"])
def test_the_network_knows_arrays_only(library: str) -> None:
    for path in _modules("drn_core"):
        if path.name == "__main__.py":
            continue  # a module that is run is a program
        assert library not in {name.split(".")[0] for name in _imported(path)}, path


def test_mediapipe_has_two_doors() -> None:
    """The pipeline's estimator, and the plain solution by which results are judged."""
    users = {p.name for p in _modules("retarget") if "mediapipe" in {n.split(".")[0] for n in _imported(p)}}
    assert users <= {"mediapipe_estimator.py", "mediapipe_solution.py"}


def _all_modules() -> list[str]:
    names = []
    for package in LAYERS:
        module = importlib.import_module(package)
        names += [m.name for m in pkgutil.walk_packages(module.__path__, f"{package}.")]
    return [name for name in names if not name.endswith("__main__")]


def test_public_names_exist() -> None:
    for name in _all_modules():
        module = importlib.import_module(name)
        missing = [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)]
        assert not missing, f"{name}.__all__ names {missing}"


HEAVY = ("torch", "numba", "cv2", "mediapipe", "av", "scipy", "ray")


def _commands() -> list[str]:
    from retarget.cli.main import COMMANDS

    return ["", *COMMANDS]


@pytest.mark.parametrize("command", _commands())
def test_help_is_quick(command: str) -> None:
    code = (
        "import sys; from retarget.cli.main import main\n"
        f"try: main([*{[command] if command else []!r}, '--help'])\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_conventions_are_true() -> None:
    result = doctest.testfile(str(ROOT / "CONVENTIONS.md"), module_relative=False)
    assert result.attempted > 5
    assert result.failed == 0
