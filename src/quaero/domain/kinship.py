"""Who is below whom, by the parents one knows. Ids rise from parent to child, so a way upwards always ends."""

from collections.abc import Mapping


def child_above(parents: Mapping[int, int | None], job_id: int, top_id: int) -> int | None:
    """The child of `top_id` that a job is, or is somewhere below; None if there is none, or a parent is not known."""
    at: int | None = job_id
    while at is not None and at > top_id:
        above = parents.get(at)
        if above == top_id:
            return at
        at = above
    return None
