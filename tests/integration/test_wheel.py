"""What is shipped is what is built: the wheel, not the tree."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all files in a wheel built from this tree."""
    place = tmp_path_factory.mktemp("wheel")
    programs = Path(sys.executable).parent
    subprocess.run(
        [sys.executable, "-c", "import sys, uv_build; uv_build.build_wheel(sys.argv[1])", str(place)],
        cwd=TOP,
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        check=True,
        capture_output=True,
    )
    (built,) = place.glob("quaero_jobs-*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_everything_the_program_reads_at_run_time_is_in_the_wheel(wheel: set[str]) -> None:
    needed = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }

    assert needed
    assert needed <= wheel


def test_the_wheel_says_that_it_is_typed_and_under_which_licence(wheel: set[str]) -> None:
    assert "quaero/py.typed" in wheel
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)
