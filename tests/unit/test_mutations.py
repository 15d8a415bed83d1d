"""Every mutation `make mutations` tries still fits the source, so none of them is quietly not tried."""

import pytest
from tests.mutations import MUTATIONS, TOP, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_source_and_names_tests_that_are_there(mutation: Mutation) -> None:
    for name, old, new in mutation.edits:
        assert (TOP / "src" / "quaero" / name).read_text().count(old) == 1
        assert new != old
    assert all((TOP / test).is_file() for test in mutation.tests)
