"""Which view a subscription gets."""

from quaero.gateway.jobsubscriptions import JobSubscription, QueueSubscription
from quaero.gateway.listsubscriptions import ChildrenSubscription, RootsSubscription
from quaero.gateway.logsubscription import LogSubscription
from quaero.gateway.mapsubscription import MapSubscription
from quaero.gateway.stateplane import StatePlane
from quaero.gateway.styles import TypedStyle
from quaero.gateway.subscription import Outlet, Subscription
from quaero.gateway.topics import Subscribe, parse_topic


def subscription_for(plane: StatePlane, outlet: Outlet, ask: Subscribe) -> Subscription:
    """The view of a subscription, not begun yet. Raises InvalidInput."""
    topic = parse_topic(ask.topic)
    style = None if ask.rows else TypedStyle(plane.allowed)
    match topic.name:
        case "jobs":
            return RootsSubscription(plane, outlet, ask, style)
        case "children":
            return ChildrenSubscription(plane, outlet, ask, style, topic.job_id)
        case "job":
            return JobSubscription(plane, outlet, ask, style, topic.job_id)
        case "logs":
            return LogSubscription(plane, outlet, ask, topic.job_id)
        case "map":
            return MapSubscription(plane, outlet, ask, topic.job_id)
        case _:
            return QueueSubscription(plane, outlet, ask)
