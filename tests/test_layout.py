"""The shape of the house: what may import what, and that the wheel holds every folder."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOPS = ("pipeline", "model", "kernels")
REACHES = {"kernels": set(), "model": {"kernels"}, "pipeline": {"model"}}
PAGES = sorted(path for path in (ROOT / "web").rglob("*") if path.is_file())
WEIGHTS = ("embedded",)  # in model/: data, no modules
MODULES = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))


def _imports(path: Path) -> set[tuple[str, ...]]:
    """What a module imports relatively, as paths from the root, without the names."""
    folder = path.relative_to(ROOT).parent.parts
    found: set[tuple[str, ...]] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = folder[: len(folder) - node.level + 1]
            found.add((*base, *(node.module or "").split(".")))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_flow_one_way(path: Path) -> None:
    top = path.relative_to(ROOT).parts[0]
    reached = {target[0] for target in _imports(path)} - {top}
    assert reached <= REACHES[top]


def test_only_the_diffusion_translator_and_the_commands_reach_the_model() -> None:
    reaching = {
        str(path.relative_to(ROOT / "pipeline"))
        for path in (ROOT / "pipeline").rglob("*.py")
        if any(target[0] == "model" for target in _imports(path))
    }
    assert reaching == {"translators/own.py", "commands/bench.py", "commands/models.py", "cli.py"}


ROWS = [  # inside pipeline/, a row may import its own and earlier ones
    "events errors config hub",
    "text audio cluster",
    "recognizers speakers translators captions subtitles protocols client webrtc",
    "live listening",
    "recording",
    "jobs",
    "server bench bots workers",
    "commands",
    "cli",
]


MODEL_ROWS = [  # the same inside model/
    "errors",
    "network",
    "installed",
    "engine",
    "expressions translation",
    "training bench",  # each measures and reads with parts of the other
]


@pytest.mark.parametrize(("top", "rows"), [("pipeline", ROWS), ("model", MODEL_ROWS)])
def test_rows(top: str, rows: list[str]) -> None:
    row_of = {name: row for row, names in enumerate(rows) for name in names.split()}
    for path in (ROOT / top).rglob("*.py"):
        name = path.relative_to(ROOT / top).parts[0].removesuffix(".py")
        if name in WEIGHTS:
            continue
        assert name in row_of, f"{top}/{name} has no row here"
        for target in _imports(path):
            if target[0] == top and len(target) > 1 and target[1]:
                assert row_of[target[1]] <= row_of[name], f"{path} imports {target[1]}"


def test_the_wheel_holds_every_folder() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    folders = {path.parent for path in (*MODULES, *PAGES)} | {ROOT / top for top in TOPS}
    assert listed == {"surtitle." + ".".join(f.relative_to(ROOT).parts) for f in folders}
    taken = project["tool"]["setuptools"]["package-data"]["*"]
    assert not [page for page in PAGES if not any(page.match(pattern) for pattern in taken)]


def test_top_folders_are_no_packages() -> None:
    assert not [top for top in TOPS if (ROOT / top / "__init__.py").exists()]


def test_make_installs_the_wheels_that_the_extra_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["whisper-base"]
    assert f"WHISPER_BASE := {' '.join(extra)}\n" in (ROOT / "Makefile").read_text()
