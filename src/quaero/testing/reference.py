"""The lifecycle once more, as naively as it can be said: the reference the state machine compares the store with.

Plain trees only (no steps): every rule is a loop over all jobs, nothing is counted ahead, nothing is batched.
"""

from dataclasses import dataclass, field

from quaero.domain.facts import How
from quaero.domain.status import JobStatus as S


@dataclass
class Node:
    """One job as the reference sees it."""

    id: int
    parent: "Node | None"
    after: list["Node"] = field(default_factory=list)
    max_attempts: int = 2
    status: S = S.PENDING
    attempt: int = 0
    round: int = 1
    owner: int | None = None
    sealed: bool = False
    own_failed: bool = False
    reason: str | None = None
    listed: bool = False
    dropping: bool = False
    run_at: int = 0
    children: list["Node"] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether its round goes on."""
        return not self.status.is_terminal

    @property
    def blocked(self) -> bool:
        """Whether something it waits for is open."""
        return any(other.open for other in self.after)

    @property
    def under_cancel(self) -> bool:
        """Whether somebody cancelled it, or something above it."""
        return self.listed or (self.parent is not None and self.parent.under_cancel)

    @property
    def is_dropped(self) -> bool:
        """Pending below a parent that failed for good."""
        return self.parent is not None and self.parent.dropping

    @property
    def has_open_children(self) -> bool:
        """Whether a child's round goes on."""
        return any(child.open for child in self.children)


class Forest:
    """All jobs of the reference, by id."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}

    def add(
        self,
        job_id: int,
        parent: Node | None = None,
        after: list[Node] | None = None,
        run_at: int = 0,
        attempts: int = 2,
    ) -> None:
        """A job was accepted."""
        waits_for = [other for other in after or [] if other.status != S.COMPLETED]
        node = Node(job_id, parent, waits_for, attempts, run_at=run_at)
        self.nodes[job_id] = node
        if parent is not None:
            parent.children.append(node)
        if any(not other.open for other in waits_for):
            self._close(node, S.CANCELLED, "skipped")

    def ready(self, now: int) -> list[Node]:
        """What a worker with room for everything must get."""
        return [
            node
            for node in self.nodes.values()
            if node.status == S.PENDING and node.owner is None and not node.blocked and node.run_at <= now
        ]

    # --- what workers tell

    def begin(self, node: Node) -> None:
        """Its handler began."""
        if node.status == S.PENDING:
            node.attempt += 1
            node.status = S.RUNNING

    def end(self, node: Node, how: How) -> None:
        """Its attempt, or mere reservation, is over."""
        if how in (How.UNTOUCHED, How.LOST, How.REFUNDED) and node.status == S.PENDING:
            self._give_back(node)
            return
        self.begin(node)
        if how == How.COMPLETED:
            self._seal(node)
        elif how in (How.FAILED, How.TIMED_OUT):
            self._fail(node)
        elif how == How.CANCELLED and node.under_cancel:
            self._stop(node)
        else:
            node.attempt -= 1
            node.status = S.PENDING
            self._give_back(node)
        self._drop_below_failed()

    def lose(self, node: Node) -> None:
        """Its worker was swept."""
        if node.status == S.RUNNING:
            self._fail(node)
        else:
            self._give_back(node)
        self._drop_below_failed()

    def _give_back(self, node: Node) -> None:
        node.owner = None
        node.run_at = 0
        if node.under_cancel:
            self._stop(node)
        elif node.is_dropped:
            self._drop(node)

    def _fail(self, node: Node) -> None:
        if node.under_cancel:
            self._stop(node)
        elif node.attempt < node.max_attempts:
            node.owner = None
            node.status = S.PENDING
            node.run_at = -1  # to be read from the row: the back-off is chance
        else:
            node.own_failed = True
            node.dropping = node.has_open_children
            self._seal(node)

    def _seal(self, node: Node) -> None:
        node.owner = None
        node.sealed = True
        if node.has_open_children:
            node.status = S.WAITING
        else:
            self._close(node, self._outcome(node))

    def _stop(self, node: Node) -> None:
        """End a job under a cancellation that does not run any more."""
        node.owner = None
        node.sealed = True
        if node.has_open_children:
            node.status = S.WAITING
        else:
            self._close(node, S.CANCELLED)

    def _drop(self, node: Node) -> None:
        node.reason = "parent failed"
        if node.has_open_children:
            node.listed = True
            self._cancel_below(node)
        else:
            self._close(node, S.CANCELLED, node.reason)

    def _drop_below_failed(self) -> None:
        for node in sorted(self.nodes.values(), key=lambda node: -node.id):
            if node.status == S.PENDING and node.owner is None and node.is_dropped and not node.under_cancel:
                self._drop(node)

    # --- closing

    def _outcome(self, node: Node) -> S:
        statuses = [child.status for child in node.children]
        if node.under_cancel:
            return S.CANCELLED
        if node.own_failed or S.FAILED in statuses:
            return S.FAILED
        if node.reason is not None or (statuses and set(statuses) == {S.CANCELLED}):
            return S.CANCELLED
        return S.COMPLETED

    def _close(self, node: Node, status: S, reason: str | None = None) -> None:
        node.owner = None
        node.sealed = True
        node.status = status
        node.reason = reason or node.reason
        if status != S.COMPLETED:
            for other in self.nodes.values():
                if node in other.after and other.status == S.PENDING and not other.attempt:
                    self._close(other, S.CANCELLED, "skipped")
        parent = node.parent
        if parent is not None and parent.sealed and parent.open and not parent.has_open_children:
            self._close(parent, self._outcome(parent))
        node.listed = node.dropping = False

    # --- what people do

    def cancel(self, node: Node) -> None:
        """Cancel a job and everything below it."""
        node.listed = True
        self._cancel_below(node)

    def _cancel_below(self, node: Node) -> None:
        for child in sorted(node.children, key=lambda child: -child.id):
            self._cancel_below(child)
        if node.status == S.PENDING:
            self._stop(node)

    def retry(self, nodes: list[Node]) -> None:
        """Open a new round of these, and of what was stopped because of them."""
        todo = sorted(nodes, key=lambda node: -node.id)
        while todo:
            node = todo.pop()
            if node.open:
                continue
            todo += [
                child
                for child in node.children
                if child.status == S.CANCELLED
                and (child.reason == "parent failed" or (node.status == S.CANCELLED and child.reason != "skipped"))
            ]
            self._reopen(node)
            todo += self._skipped_because_of(node)

    def _reopen(self, node: Node) -> None:
        node.status = S.PENDING
        node.round += 1
        node.attempt = 0
        node.run_at = 0
        node.sealed = node.own_failed = False
        node.reason = None
        above = node.parent
        while above is not None and not above.open:
            above.status = S.WAITING
            above.round += 1
            above.reason = None
            above = above.parent

    def _skipped_because_of(self, node: Node) -> list[Node]:
        above: list[Node] = []
        row: Node | None = node
        while row is not None:
            above.append(row)
            row = row.parent
        return [
            other
            for other in self.nodes.values()
            if other.status == S.CANCELLED
            and other.reason == "skipped"
            and any(one in other.after for one in above)
            and all(one.open or one.status == S.COMPLETED for one in other.after)
        ]
