"""Running a registered function as a step."""

from collections.abc import Callable
from typing import Any

from quaero.domain.facts import Child, Spawned
from quaero.engine.protocol import SpawnAnswer

Start = Callable[..., Any]


def test_it_spawns_the_function_with_the_rest_of_its_payload(start: Start) -> None:
    driver = start(app=None)

    driver.run("python", {"function": "shop.import_orders", "day": "2024-01-31"})
    token = driver.first_fact(Spawned).token
    driver.send(SpawnAnswer(1, 1, token, [5]))

    assert driver.ended().result == b'{"job_id":"5"}'
    assert driver.children() == [Child("shop.import_orders", b'{"day":"2024-01-31"}')]
