"""Cron schedules of five fields: when they fire next, what they mean in words, what is wrong with them.

Fields and daylight saving are the library's business (an hour that repeats fires once); ours is that a schedule with
any other number of fields, or one that never fires, is an error and not a surprise.
"""

from datetime import UTC, datetime, tzinfo

from cronsim import CronSim, CronSimError

_MICROSECOND = 1_000_000
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def check(schedule: str) -> None:
    """Raises ValueError, saying why, unless `schedule` is a cron line of five fields that fires some day."""
    _next(schedule, _SOME_DAY)


def next_fire(schedule: str, after: int, tz: tzinfo = UTC) -> int:
    """The first moment after `after` (both microseconds since the epoch, UTC) at which it fires, by the clock of `tz`.

    Raises ValueError for a bad schedule.
    """
    moment = datetime.fromtimestamp(after // _MICROSECOND, tz)
    return round(_next(schedule, moment).timestamp()) * _MICROSECOND


def explain(schedule: str) -> str:
    """The schedule in English, e.g. `Every 5th minute`; empty for no schedule. Raises ValueError for a bad one."""
    if not schedule.strip():
        return ""
    check(schedule)
    return CronSim(schedule, _SOME_DAY).explain()


def _next(schedule: str, after: datetime) -> datetime:
    if len(schedule.split()) != 5:
        raise ValueError(f'{schedule!r} is not a cron line: write five fields, like "*/5 * * * *" or "0 6 * * mon"')
    try:
        return next(CronSim(schedule, after))
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is not a cron line: {error}") from None
    except StopIteration:
        raise ValueError(f"{schedule!r} never fires: no calendar has such a day") from None
