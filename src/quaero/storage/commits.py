"""Which trees the newest commits recorded something in: how a reader of everything learns what moved.

A commit's entries are one block, and blocks are numbered as they are written. Only a block's outer shape is read. A
root that was just accepted has no entry yet: it is found by its id.
"""

import zlib
from collections.abc import Collection

import msgspec

from quaero.storage.connection import Connection
from quaero.storage.port import Commits
from quaero.storage.shorthand import trees_of

AT_ONCE = 256
MOST_NEW = 20_000

_outer_shape = msgspec.msgpack.Decoder(list[tuple[int, int, msgspec.Raw]]).decode


def newest(db: Connection) -> tuple[int, int]:
    """The number of the newest commit that recorded something, and the newest root; 0 if there is none."""
    ((commit,),) = db.rows("select coalesce(max(id), 0) from block")
    ((root,),) = db.rows("select coalesce(max(id), 0) from job where parent_id is null")
    return commit, root


def trees_since(db: Connection, commit: int, root: int, known: Collection[int]) -> Commits:
    """The commits beyond a number that are not known, the trees they recorded something in, and roots beyond `root`."""
    ids = [row[0] for row in db.rows("select id from block where id > ? order by id", (commit,)) if row[0] not in known]
    new = [
        row[0]
        for row in db.rows(
            "select id from job where parent_id is null and id > ? order by id limit ?", (root, MOST_NEW)
        )
    ]
    roots = dict.fromkeys(new)
    for start in range(0, len(ids), AT_ONCE):
        blocks = db.rows(f"select data from block where {db.member('id')}", (db.array(ids[start : start + AT_ONCE]),))
        for (data,) in blocks:
            roots.update(dict.fromkeys(trees_of(_outer_shape(zlib.decompress(data)))))
    return Commits(ids, list(roots), new[-1] if new else root)
