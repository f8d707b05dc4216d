"""The wheel, in an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_wheel_installs_and_runs(tmp_path: Path) -> None:
    # Where somebody tests a checkout by PYTHONPATH, it must not stand in for what is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*command: object, cwd: Path | None = None) -> str:
        parts = [str(part) for part in command]
        return subprocess.run(
            parts, check=True, text=True, capture_output=True, cwd=cwd, env=environment
        ).stdout

    # With the setuptools of this environment: one of its own would have to be downloaded.
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("surtitle-*.whl")
    # The libraries are those of this environment: installing them anew would take minutes.
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    site = run(python, "-c", "import site; print(site.getsitepackages()[0])").strip()
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", site, wheel)
    libraries = Path(pytest.__file__).parents[1]
    (Path(site) / "libraries.pth").write_text(f"{libraries}\n")
    command = Path(site) / "bin" / "surtitle"
    assert run(python, command, "--version").startswith("surtitle ")
    where = run(
        python, "-c", "import surtitle.model.engine.canvas as m; print(m.__file__)", cwd=tmp_path
    )
    assert where.startswith(site)
    for kept in (
        "model/embedded/model.safetensors",
        "pipeline/py.typed",
    ):
        assert (Path(site) / "surtitle" / kept).exists()
