"""What jobs do: the kinds every executor knows. They see a job's context and nothing else of Quaero."""

from collections.abc import Mapping
from typing import Any

from quaero.engine.registry import App


def builtin(settings: Mapping[str, Any]) -> App:
    """The built-in kinds, as the server's settings want them (sections by name).

    `command` is there only if `command.enabled` is true: it runs whatever a submitter writes.
    """
    from quaero.kinds import command, crawler, generator, python

    app = App()
    generator.register(app)
    python.register(app)
    crawler.register(app, settings.get("crawler", {}))
    if settings.get("command", {}).get("enabled") is True:
        command.register(app)
    return app
