"""The definitions a store keeps: from files of a worker's directory, or made through the API.

What comes from a file is changed in its file; the API can run it but not change it, or the next look at the directory
would undo the change in silence. Should a file take the id of one made through the API, the file wins.
"""

from collections.abc import Sequence

import msgspec

from quaero.domain.definitions import Definition, InvalidDefinition, from_stored, next_fire, to_stored
from quaero.domain.errors import Conflict, NotFound
from quaero.domain.job import Job
from quaero.engine.lifecycle.definitions import run_definition, unrunnable
from quaero.storage.port import Ledger

FILE, API = "file", "api"


class DefinitionRow(msgspec.Struct, frozen=True):
    """A definition as it is kept: `body` is JSON, `next_at` 0 without a schedule, `problem` why it cannot run."""

    id: str
    name: str
    source: str
    body: str
    enabled: int
    schedule: str
    next_at: int
    problem: str | None
    updated_at: int


COLUMNS = ", ".join(DefinitionRow.__struct_fields__)


def save_definition(ledger: Ledger, definition: Definition, source: str, body: str, next_at: int = 0) -> None:
    """Keep a definition; one already kept is replaced. What was missed while it was disabled is not made up for."""
    ledger.run(
        f"insert into definition({COLUMNS}) values(?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " on conflict(id) do update set name = excluded.name, source = excluded.source, body = excluded.body,"
        " enabled = excluded.enabled, schedule = excluded.schedule, problem = excluded.problem,"
        " updated_at = excluded.updated_at,"
        " next_at = case when definition.schedule = excluded.schedule and definition.enabled = excluded.enabled"
        " then definition.next_at else excluded.next_at end",
        (
            definition.id,
            definition.name,
            source,
            body,
            int(definition.enabled),
            definition.schedule,
            next_at,
            unrunnable(ledger, definition),
            ledger.now,
        ),
    )


def forget_definitions(ledger: Ledger, source: str, kept: Sequence[str]) -> int:
    """Forget the definitions of a source that are not among `kept`; how many."""
    known = [row[0] for row in ledger.rows("select id from definition where source = ?", (source,))]
    gone = [name for name in known if name not in kept]
    for name in gone:
        ledger.run("delete from definition where id = ? and source = ?", (name, source))
    return len(gone)


def find_definition(ledger: Ledger, definition_id: str) -> DefinitionRow:
    """The definition of an id somebody gave us. Raises NotFound."""
    found = ledger.rows(f"select {COLUMNS} from definition where id = ?", (definition_id,))
    if not found:
        raise NotFound(f"there is no definition {definition_id[:100]!r}")
    return DefinitionRow(*found[0])


def create_definition(ledger: Ledger, definition: Definition) -> DefinitionRow:
    """Keep a new definition of the API's. Raises Conflict when its id is taken."""
    if ledger.rows("select 1 from definition where id = ?", (definition.id,)):
        raise Conflict(
            f"there is a definition {definition.id!r} already: give this one another id, or replace that one"
        )
    return _keep(ledger, definition)


def replace_definition(ledger: Ledger, definition: Definition) -> tuple[DefinitionRow, bool]:
    """Keep a definition of the API's in place of the one of its id, if any; and whether there was none."""
    is_new = not ledger.rows("select 1 from definition where id = ?", (definition.id,))
    if not is_new:
        _check_ours(find_definition(ledger, definition.id))
    return _keep(ledger, definition), is_new


def remove_definition(ledger: Ledger, definition_id: str) -> DefinitionRow:
    """Forget a definition of the API's; the trees it made stay. Raises NotFound, Conflict."""
    row = find_definition(ledger, definition_id)
    _check_ours(row)
    ledger.run("delete from definition where id = ?", (definition_id,))
    return row


def execute(ledger: Ledger, definition: Definition) -> Job:
    """Run a definition by hand, whether or not it is enabled: that is about its schedule. Raises UnknownKind."""
    return ledger.get(run_definition(ledger, definition))


def _check_ours(row: DefinitionRow) -> None:
    if row.source == FILE:
        raise Conflict(
            f"definition {row.id!r} comes from a file of the definitions directory: change it there, or give yours"
            " another id"
        )


def _keep(ledger: Ledger, definition: Definition) -> DefinitionRow:
    due = next_fire(definition.schedule, ledger.now) if definition.schedule else 0
    save_definition(ledger, definition, API, to_stored(definition).decode(), due)
    return find_definition(ledger, definition.id)


def check_again(ledger: Ledger) -> None:
    """Save what could not run once more, with whatever stands in its way now."""
    rows = ledger.rows("select source, body, next_at from definition where problem is not null")
    for source, body, next_at in rows:
        if (definition := readable(body)) is not None:
            save_definition(ledger, definition, source, body, next_at)


def readable(body: str) -> Definition | None:
    """A kept definition; None for one that another version accepted and this one does not."""
    try:
        return from_stored(body.encode())
    except InvalidDefinition:
        return None


def set_aside(ledger: Ledger, definition_id: str) -> None:
    """Run a definition no more by its schedule: this version cannot read it. Saving it anew mends it."""
    problem = "this version of Quaero does not accept it any more: validate it and save it again"
    ledger.run("update definition set problem = ? where id = ?", (problem, definition_id))
