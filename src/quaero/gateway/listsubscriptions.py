"""The lists a client shows: roots, and the children of one job. Each begins with a page and keeps it true.

A new root that matches comes by itself; so does a child as long as the first page has room for it or begins with the
newest. What does not match any more, or makes room, is told as gone.
"""

from collections.abc import Sequence
from dataclasses import replace

from quaero.domain.errors import InvalidInput
from quaero.domain.job import Job
from quaero.gateway.finding import find_job
from quaero.gateway.interest import Row
from quaero.gateway.listing import list_position, moment, parse_statuses
from quaero.gateway.matching import matches
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.styles import Style
from quaero.gateway.subscription import CREATED, Key, Outlet, RowSubscription
from quaero.gateway.topics import MOST_SHOWN, Subscribe, json_of, page_size, parse_ids
from quaero.storage.port import JobFilter, JobPage

USUAL_PAGE = 50
PAGE = "page"
PAGE_SHARE = 20  # a page is read again at most in this part of the time


class ListSubscription(RowSubscription):
    """A page of rows, and others in sight."""

    def __init__(
        self, plane: StatePlane, outlet: Outlet, ask: Subscribe, style: Style | None, where: JobFilter
    ) -> None:
        super().__init__(plane, outlet, ask, style)
        self.where = replace(
            where,
            statuses=parse_statuses(ask.status),
            kind=ask.kind,
            tag=ask.tag,
            definition=ask.definition,
            q=ask.q or None,
            fingerprint=ask.fingerprint,
            created_after=moment("created_after", ask.created_after),
            created_before=moment("created_before", ask.created_before),
            descending=ask.order == "-created_at",
        )
        self.size = page_size(ask.limit, USUAL_PAGE)
        self._named = frozenset(parse_ids(ask.ids))

    async def first_page(self) -> list[str]:
        """The full snapshot: the page asked for, then other rows in sight."""
        page = await self.read_page()
        others = await self.plane.store.jobs_by_id(sorted(self._named - {job.id for job in page.jobs}))
        if len(page.jobs) + len(others) > MOST_SHOWN:
            raise InvalidInput(f"a subscription shows {MOST_SHOWN} rows at most: ask for fewer ids or a smaller page")
        rows = await self.take([*page.jobs, *others])
        missing = [job_id for job_id in self._named if job_id not in self.shown]
        return self.rows_messages(rows, missing, full=True, **self.totals(page))

    async def read_page(self) -> JobPage:
        """The page as it stands now."""
        if not self.size:
            page = await self.plane.store.jobs(self.where, limit=1)
            return replace(page, jobs=[])
        return await self.plane.store.jobs(self.where, limit=self.size, after=list_position(self.ask.cursor))

    def totals(self, page: JobPage) -> dict[str, str]:
        """How many there are, and where the next page begins."""
        return {
            "total_count": json_of(page.total),
            "total_is_lower_bound": json_of(page.total_is_lower_bound),
            "next_cursor": json_of(None if page.next_after is None else f"j{page.next_after}"),
        }

    def belongs(self, job: Job) -> bool:
        """Whether it matches, or the client named it."""
        return job.id in self._named or matches(self.where, job)

    def make_room(self, coming: int) -> None:
        """Let go of the rows farthest from the page's beginning, so that no more are shown than may be."""
        surplus = len(self.shown) + coming - MOST_SHOWN
        if surplus > 0:
            free = sorted(self.shown.keys() - self._named, reverse=not self.where.descending)
            self.leave(free[:surplus])

    @property
    def takes_new(self) -> bool:
        """Whether what is new belongs to the page: it is the first one and begins with the newest, or has room."""
        return not self.ask.cursor and (self.where.descending or not self.size or len(self.shown) < self.size)


class RootsSubscription(ListSubscription):
    """The list of roots."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe, style: Style | None) -> None:
        super().__init__(plane, outlet, ask, style, JobFilter(roots=True))
        self._arrived: dict[int, Row] = {}

    async def open(self) -> list[str]:
        """Follow all roots, then read the page: what arrives in between is told twice and does no harm."""
        await self.plane.roots.follow(self)
        return await self.first_page()

    def root_moved(self, row: Row, before: Job | None, *, is_new: bool) -> None:
        """A root that is not shown may have come to match."""
        job = row.job
        if job.id not in self.shown and self.takes_new and (is_new or self.where.statuses) and matches(self.where, job):
            self._arrived[job.id] = row
            if len(self._arrived) > MOST_SHOWN:
                del self._arrived[next(iter(self._arrived))]
            self.outlet.due(self, CREATED, 0)

    async def news(self, keys: Sequence[Key]) -> tuple[list[Row], dict[str, str]]:
        """Roots that came to match."""
        if not any(kind == CREATED for kind, _ in keys):
            return [], {}
        arrived = sorted(self._arrived)
        jobs = [job for job in (self._arrived[root_id].job for root_id in arrived) if matches(self.where, job)]
        self.make_room(len(jobs))
        rows = await self.take(jobs)
        for job_id in arrived:
            self._arrived.pop(job_id, None)
        return rows, {}

    def close(self) -> None:
        """Follow nothing any more."""
        self.plane.roots.leave(self)
        super().close()


class ChildrenSubscription(ListSubscription):
    """The children of one job. Its parent is watched too: when its counts move, the page may have changed."""

    def __init__(self, plane: StatePlane, outlet: Outlet, ask: Subscribe, style: Style | None, parent_id: int) -> None:
        super().__init__(plane, outlet, ask, style, JobFilter(parent_id=parent_id))
        self._parent_id = parent_id
        self._parent = ParentWatch(self)
        self._page_cost = 0.0

    def interval(self, kind: str) -> float:
        """A page that is costly to find is read again less often."""
        usual = super().interval(kind)
        return max(usual, PAGE_SHARE * self._page_cost) if kind == PAGE else usual

    async def open(self) -> list[str]:
        """Watch the parent, then read the page. Raises NotFound."""
        parent = await find_job(self.plane.store, self._parent_id)
        await self.plane.interest.watch(self._parent, [parent])
        return await self.first_page()

    def parent_moved(self, before: Job | None, parent: Job) -> None:
        """The counts of the parent moved: read the page again if it can have changed."""
        grew = before is None or before.tally.total != parent.tally.total
        filtered = bool(self.where.statuses)
        if self.size and not self.ask.cursor and (filtered or grew):
            self.outlet.due(self, PAGE, 0)

    async def news(self, keys: Sequence[Key]) -> tuple[list[Row], dict[str, str]]:
        """Children that came into the page."""
        if not any(kind == PAGE for kind, _ in keys):
            return [], {}
        started = self.plane.clock.monotonic()
        page = await self._page()
        self._page_cost = self.plane.clock.monotonic() - started
        jobs = [job for job in page.jobs if job.id not in self.shown]
        self.make_room(len(jobs))
        return await self.take(jobs), self.totals(page)

    async def _page(self) -> JobPage:
        parent = self.about(self._parent_id)
        if parent is None:
            return await self.read_page()
        return await self.plane.page(self.where, self.size, list_position(self.ask.cursor), parent)

    def close(self) -> None:
        """Watch nothing any more."""
        self.plane.interest.unwatch(self._parent, [self._parent_id])
        super().close()


class ParentWatch:
    """Watches the parent for a list of its children."""

    def __init__(self, view: ChildrenSubscription) -> None:
        self._view = view

    def moved(self, row: Row, before: Job | None) -> None:
        """The parent is newer."""
        self._view.parent_moved(before, row.job)

    def gone(self, job_id: int) -> None:
        """The parent is no more; its children say so themselves."""
