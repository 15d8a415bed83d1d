"""The deployment files name only settings, commands and routes there are."""

import re
from pathlib import Path

import pytest

from quaero.cli.main import COMMANDS
from quaero.gateway.application import ROUTES
from quaero.settings import Settings, describe

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
THEIR_OWN = {"QUAERO_HOST", "QUAERO_GATEWAYS", "QUAERO_APP"}


def test_there_is_something_to_check() -> None:
    assert {path.name for path in FILES} >= {"compose.yaml", "Caddyfile", "nginx.conf", "Dockerfile", "quaero.yaml"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_variable_is_a_setting(path: Path) -> None:
    known = {setting.variable for setting in describe(Settings())} | THEIR_OWN

    assert set(re.findall(r"QUAERO_[A-Z][A-Z_]*", path.read_text())) <= known


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_probe_is_a_route(path: Path) -> None:
    routes = {route.path for route in ROUTES}

    assert set(re.findall(r"/api/[a-z/]+", path.read_text())) <= routes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_command_exists(path: Path) -> None:
    text = path.read_text()
    asked = re.findall(r'(?:command|args): \["([a-z]+)"', text) + re.findall(
        r"^ExecStart=\S+/quaero ([a-z]+)", text, re.M
    )

    assert set(asked) <= set(COMMANDS)


def test_supervisors_are_more_patient_than_a_worker_that_drains() -> None:
    grace = Settings().queue.grace / 1e6
    told = "\n".join(path.read_text() for path in FILES if "worker" in path.read_text())
    patience = [
        int(found)
        for found in re.findall(r"(?:TimeoutStopSec=|stop_grace_period: |terminationGracePeriodSeconds: )(\d+)", told)
    ]

    assert max(patience) > grace
