"""Whether a process of somebody else has ended."""

import os
import select

PATIENCE = 30.0


def gone(pid: int) -> bool:
    """Whether a process has ended or ends now; awaited through a descriptor of it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE)[0])
    finally:
        os.close(descriptor)
