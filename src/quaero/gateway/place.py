"""How far a viewer has come in a view, so what it is to be told next. Those who walk abreast share one."""

from dataclasses import dataclass, replace

from quaero.gateway.parts import Cut, Part


@dataclass(slots=True, eq=False)
class Place:
    """`position`: looked at up to there; `sent`: told up to there. Times are the clock's seconds."""

    position: int
    sent: int
    told_at: float
    status_no: int = 0
    ended_at: float | None = None

    def copy(self) -> "Place":
        """A place of one's own."""
        return replace(self)

    def is_level_with(self, other: "Place") -> bool:
        """Whether the same comes next for both."""
        return (
            self.position == other.position
            and self.sent == other.sent
            and self.status_no == other.status_no
            and self.ended_at == other.ended_at
        )

    def pass_over(self, cut: Cut, tree: bytes, *, has_more: bool = False) -> Part | None:
        """Go to the end of a cut; what of it was not told yet."""
        self.position = cut.to
        if not cut.seqs or cut.seqs[-1] <= self.sent:
            return None
        told = cut.part(self.sent, tree, has_more)
        self.sent = cut.to
        return told
