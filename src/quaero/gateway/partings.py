"""Why a WebSocket's writing or listening side has ended, when its client did not end it."""


class StuckError(Exception):
    """The client does not read."""


class LeavingError(Exception):
    """The client was told `bye`."""


class TooEagerError(Exception):
    """The client says more than it hears."""
