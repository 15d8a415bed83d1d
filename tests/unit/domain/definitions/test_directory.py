"""A directory of definitions."""

from pathlib import Path

from quaero.domain.definitions import load_dir

GOOD = 'id = "{id}"\n[step.a]\ntype = "k"\n'


def test_a_bad_file_is_told_and_the_others_load(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.format(id="a"))
    (tmp_path / "b.toml").write_text("id = ")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "d.toml").write_text(GOOD.format(id="d"))
    (tmp_path / "notes.txt").write_text("not a definition")

    definitions, problems = load_dir(tmp_path)

    assert [definition.id for definition in definitions] == ["a", "d"]
    assert [problem.file for problem in problems] == ["b.toml", "c.toml"]


def test_an_id_belongs_to_the_first_file_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(GOOD.format(id="same"))
    (tmp_path / "b.toml").write_text(GOOD.format(id="same"))

    definitions, (problem,) = load_dir(tmp_path)

    assert len(definitions) == 1
    assert problem.file == "b.toml"
    assert "a.toml" in problem.reason


def test_no_directory_is_an_empty_one(tmp_path: Path) -> None:
    assert load_dir(tmp_path / "nowhere") == ((), ())
