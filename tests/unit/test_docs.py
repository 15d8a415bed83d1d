"""The documentation says what the code does: tables are the code's own, links lead somewhere, examples are accepted."""

import ast
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

import quaero
import quaero.testing
from quaero.cli.main import cli
from quaero.domain.definitions import parse
from quaero.settings import Settings, describe, load

TOP = Path(__file__).resolve().parents[2]
PAGES = sorted([*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")])
CONFIGURATION = TOP / "docs/reference/configuration.md"
DEPENDENCIES = TOP / "docs/dependencies.md"


def generator() -> ModuleType:
    """`docs/reference/generate.py`, which stands outside every package."""
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs/reference/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Every fenced example of a language, with the name of its page."""
    for page in PAGES:
        for block in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            yield page.name, block


def named(path: Path) -> str:
    return str(path.relative_to(TOP))


@pytest.mark.parametrize("page", ["configuration.md", "cli.md", "rest.md"])
def test_the_tables_of_a_reference_page_are_those_of_the_code(page: str) -> None:
    made = generator().renewed(page)

    assert (TOP / "docs/reference" / page).read_text() == made, "run `make docs`"


def test_every_setting_is_documented() -> None:
    text = CONFIGURATION.read_text()

    assert not [one.key for one in describe(Settings()) if f"| `{one.key}` |" not in text]


def test_every_dependency_has_its_reason_and_nothing_else_is_listed() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted += project["build-system"]["requires"]
    needed = {re.split(r"[<>=!~\[; ]", line)[0] for line in wanted}

    first_cells = re.findall(r"^\| ([a-z0-9_, -]+) \|", DEPENDENCIES.read_text(), re.MULTILINE)
    listed = {name.strip() for cell in first_cells for name in cell.split(",")}

    assert listed == needed


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]

    assert not broken


def test_every_page_of_documentation_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [TOP / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            target = page.parent / link
            waiting += sorted(target.glob("*.md")) if target.is_dir() else [target] * target.is_file()

    assert reached >= {page.resolve() for page in PAGES}


@pytest.mark.parametrize(("page", "text"), list(blocks("toml")))
def test_every_toml_example_is_accepted(page: str, text: str, tmp_path: Path) -> None:
    if "[step." in text:
        assert parse(text, page).steps
    else:
        file = tmp_path / "quaero.toml"
        file.write_text(text)
        assert load([file], environ={}).sources


@pytest.mark.parametrize(("page", "text"), list(blocks("python")))
def test_every_python_example_compiles_and_uses_names_that_exist(page: str, text: str) -> None:
    compile(text, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    assert not [name for name in re.findall(r"\bquaero\.([A-Za-z]\w*)", text) if not hasattr(quaero, name)]


COMMAND_LINES = [
    (page, line) for page, block in blocks("sh") for line in block.splitlines() if line.startswith("quaero ")
]


@pytest.mark.parametrize(("page", "line"), COMMAND_LINES)
def test_every_command_in_an_example_exists_with_its_options(page: str, line: str) -> None:
    name, *words = shlex.split(line, comments=True)[1:]
    context = click.Context(cli)
    command = cli.get_command(context, name)

    assert command is not None, page
    assert command.make_context(name, words)
