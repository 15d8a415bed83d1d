"""The deployment files name only settings, commands and routes there are."""

import re
from pathlib import Path

import pytest

from quaero.cli.main import COMMANDS
from quaero.domain.errors import InvalidInput
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


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").iterdir()), ids=lambda path: path.name)
def test_a_service_waits_for_a_database_that_is_away_and_not_for_a_mistake(path: Path) -> None:
    unit = path.read_text()

    assert "\nStartLimitIntervalSec=0\n" in unit.partition("[Service]")[0]
    assert "\nRestart=on-failure\n" in unit
    assert re.search(r"^RestartPreventExitStatus=(.*)$", unit, re.M)[1].split()[0] == str(InvalidInput.exit_code)  # type: ignore[index]


def test_where_a_worker_is_the_first_process_another_one_reaps_what_its_jobs_leave_behind() -> None:
    compose, manifest = (DEPLOY / "compose.yaml").read_text(), (DEPLOY / "kubernetes" / "quaero.yaml").read_text()
    [worker] = [part for part in manifest.split("\n---\n") if 'args: ["work"]' in part]

    assert "\n  init: true\n" in compose.partition("\nservices:")[0]
    assert "\n      shareProcessNamespace: true" in worker


def test_a_gateway_that_leaves_is_first_forgotten_by_those_who_send_to_it() -> None:
    manifest = (DEPLOY / "kubernetes" / "quaero.yaml").read_text()
    [gateway] = [part for part in manifest.split("\n---\n") if 'args: ["serve"' in part]
    waits, patience = (int(re.search(p, gateway)[1]) for p in (r'\[sleep, "(\d+)"\]', r"GracePeriodSeconds: (\d+)"))  # type: ignore[index]

    assert 2 <= waits <= patience - 5


def test_no_value_of_pgbouncers_configuration_is_followed_by_a_comment() -> None:
    """It takes everything behind the sign for the value, and does not start."""
    [text] = re.findall(r"```ini\n(.*?)```", (DEPLOY.parent / "docs/how-to/grow-to-postgresql.md").read_text(), re.S)

    assert not [line for line in text.splitlines() if re.match(r"[^;#].*[;#]", line)]
