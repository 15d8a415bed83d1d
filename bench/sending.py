"""`python -m bench.sending MODULE N`: enqueue a peer's no-op N times, one call each; prints the seconds it took."""

import importlib
import sys
import time


def main(module: str, n: int) -> None:
    """Send one to have everything connected, then measure."""
    noop = importlib.import_module(module).noop
    send = getattr(noop, "delay", noop)
    send()
    began = time.perf_counter()
    for _ in range(n):
        send()
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
