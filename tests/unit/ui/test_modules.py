"""The page's pure modules, tested by `node:test` in the Node that Playwright's wheel brings: nothing to install."""

import subprocess
from pathlib import Path

import playwright
import pytest

HERE = Path(__file__).parent
NODE = Path(playwright.__file__).parent / "driver" / "node"  # an internal place of the wheel; this is its one mention


@pytest.mark.parametrize("file", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.stem)
def test_the_page_module_does_what_its_tests_say(file: Path) -> None:
    done = subprocess.run([NODE, "--test", file], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_of_the_page_can_be_read() -> None:
    ui = HERE.parents[2] / "src/quaero/ui"
    scripts = set((ui / "js").glob("*.js"))
    check = """
        const { readFileSync } = require("node:fs");
        const { SourceTextModule } = require("node:vm");
        for (const identifier of process.argv.slice(1))
            new SourceTextModule(readFileSync(identifier, "utf8"), { identifier });
    """
    modules = sorted(set(ui.rglob("*.js")) - scripts)
    assert len(modules) > 40

    done = subprocess.run(
        [NODE, "--experimental-vm-modules", "-e", check, *modules],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
