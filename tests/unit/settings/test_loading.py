"""Settings: where they come from, which wins, and how a wrong one is refused."""

import json
import logging
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.domain.errors import InvalidInput
from quaero.settings import Settings, describe, load
from quaero.settings.loading import FIELDS

SECOND = 1_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "quaero.toml"
    path.write_text('[server]\nport = 9000\nhost = "::1"\n[queue]\nlease = "1m"\n')
    return path


def test_without_anything_the_defaults_of_the_interface_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    settings = load(environ={})

    assert (settings.server.host, settings.server.port, settings.server.gateways) == ("127.0.0.1", 8080, 1)
    assert settings.store.url == "sqlite:///data/quaero.db"
    assert (settings.queue.lease, settings.queue.heartbeat, settings.queue.grace) == (
        20 * SECOND,
        5 * SECOND,
        25 * SECOND,
    )
    assert (settings.queue.concurrency, settings.queue.max_attempts) == (100, 3)
    assert (settings.logs.batch_interval, settings.logs.max_bytes_per_attempt) == (150_000, 512 << 20)
    assert settings.logs.max_line == 64 << 10
    assert settings.jobs.retention == 30 * 24 * 3600 * SECOND
    assert settings.websocket.time_threshold == SECOND
    assert not settings.command.enabled
    assert settings.sources == {}


def test_each_source_wins_over_the_one_before_it(file: Path) -> None:
    settings = load([file], {"QUAERO_SERVER_PORT": "9001", "QUAERO_QUEUE_LEASE": "2m"}, {"server.port": 9002})

    assert (settings.server.host, settings.server.port, settings.queue.lease) == ("::1", 9002, 120 * SECOND)


def test_a_later_file_wins_over_an_earlier_one_key_by_key(file: Path, tmp_path: Path) -> None:
    later = tmp_path / "more.toml"
    later.write_text("[server]\nport = 9100\n")

    settings = load([file, later], environ={})

    assert (settings.server.port, settings.server.host) == (9100, "::1")


def test_the_settings_know_where_each_value_came_from(file: Path) -> None:
    settings = load([file], {"QUAERO_STORE_URL": "sqlite:///x.db"}, {"server.port": 1, "server.host": None})

    assert settings.sources == {
        "server.host": str(file),
        "queue.lease": str(file),
        "store.url": "environment QUAERO_STORE_URL",
        "server.port": "command line",
    }


def test_the_file_of_the_working_directory_is_read_unless_others_are_named(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[server]\ngateways = 2\n")
    monkeypatch.chdir(tmp_path)

    assert load(environ={}).server.port == 9000
    assert load([other], environ={}).server.port == 8080


@pytest.mark.parametrize("text", ["https://a.example, https://b.example", '["https://a.example", "https://b.example"]'])
def test_a_list_in_the_environment_is_a_comma_list_or_json(text: str) -> None:
    settings = load(environ={"QUAERO_SERVER_ALLOWED_ORIGINS": text})

    assert settings.server.allowed_origins == ["https://a.example", "https://b.example"]


@pytest.mark.parametrize("text", ["queue_stats=5s, job_spawn=150ms", '{"queue_stats": "5s", "job_spawn": "150ms"}'])
def test_a_table_in_the_environment_is_a_list_of_pairs_or_json(text: str) -> None:
    settings = load(environ={"QUAERO_WEBSOCKET_THROTTLE_INTERVALS": text})

    assert settings.websocket.throttle_intervals == {"queue_stats": 5 * SECOND, "job_spawn": 150_000}


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("QUAERO_SERVER_PORT", "http", ["server.port", "'http'", "environment QUAERO_SERVER_PORT", "int"]),
        ("QUAERO_SERVER_PORT", "70000", ["server.port", "65535"]),
        ("QUAERO_QUEUE_LEASE", "20", ["queue.lease", "20", "unit"]),
        ("QUAERO_QUEUE_LEASE", "1ms", ["queue.lease", ">= 1s"]),
        ("QUAERO_LOGS_MAX_LINE", "2GiB", ["logs.max_line", "<= 1MiB"]),
        ("QUAERO_LOGS_MAX_LINE", "64 bananas", ["logs.max_line", "64KiB"]),
        ("QUAERO_LOGS_MIN_LEVEL", "loud", ["logs.min_level", "debug, info, warn or error"]),
        ("QUAERO_CRAWLER_ALLOW_NETWORKS", "10.0.0.1/8", ["crawler.allow_networks", "host bits"]),
        ("QUAERO_COMMAND_ENABLED", "perhaps", ["command.enabled", "bool"]),
        ("QUAERO_WEBSOCKET_THROTTLE_INTERVALS", "5s", ["websocket.throttle_intervals", "NAME=VALUE"]),
        ("QUAERO_SERVER_ALLOWED_ORIGINS", "[1", ["server.allowed_origins", "JSON"]),
        ("QUAERO_SERVER_PROT", "1", ["QUAERO_SERVER_PROT", "'1'", "QUAERO_SERVER_PORT"]),
        ("QUAERO_SEVER_PORT", "1", ["QUAERO_SEVER_PORT", "QUAERO_SERVER_PORT"]),
    ],
)
def test_a_wrong_variable_is_refused_with_its_name_value_and_remedy(variable: str, text: str, words: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        load(environ={variable: text})

    assert all(word in str(refused.value) for word in words), str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sever]\nport = 1", ["[sever]", "'server'"]),
        ("[server]\nprot = 1", ["server.prot", "1", "'server.port'"]),
        ("[server]\nport = '80'", ["server.port", "'80'", "int"]),
        ("[queue]\nlease = 20", ["queue.lease", "20", "unit"]),
        ("server = 3", ["server", "3", "[server]"]),
        ("[server\n", ["not valid TOML"]),
        ("[logs]\nmax_line = true", ["logs.max_line", "size"]),
        ("[logs]\nmin_level = 1", ["logs.min_level", "debug"]),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_place(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)

    with pytest.raises(InvalidInput) as refused:
        load([file], environ={})

    assert all(word in str(refused.value) for word in [*words, "wrong.toml"]), str(refused.value)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"nowhere\.toml"):
        load(["nowhere.toml"], environ={})


def test_an_unknown_flag_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidInput, match=r"server\.prt.*did you mean 'server\.port'"):
        load(environ={}, flags={"server.prt": 1})


@pytest.mark.parametrize(
    "variable", ["QUAERO_SERVICE_HOST", "QUAERO_PORT_8080_TCP", "QUAERO_TOKEN", "QUAERO_SERVER", "QUAEROS_PORT", "PATH"]
)
def test_variables_that_are_not_settings_are_left_alone(variable: str) -> None:
    assert load(environ={variable: "tcp://10.0.0.1:8080"}) == load(environ={})


def test_a_lease_must_outlive_a_lost_heartbeat() -> None:
    with pytest.raises(InvalidInput, match=r"queue\.heartbeat is 15s.*queue\.lease \(20s\)"):
        load(environ={"QUAERO_QUEUE_HEARTBEAT": "15s"})


def test_the_deprecated_threshold_is_accepted_and_warned_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quaero.settings.loading._warned", set())
    environ = {"QUAERO_WEBSOCKET_EVENT_COUNT_THRESHOLD": "7"}

    with caplog.at_level(logging.WARNING):
        first, second = load(environ=environ), load(environ=environ)

    assert first == second
    assert first.websocket.event_count_threshold == 7
    (warning,) = caplog.records
    assert "websocket.event_count_threshold" in warning.getMessage()


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("QUAERO_WEBSOCKET_ALLOWED_EVENTS", "job_created, job_status_chang", "did you mean 'job_status_change'"),
        ("QUAERO_WEBSOCKET_THROTTLE_INTERVALS", "queue_stat=5s", "did you mean 'queue_stats'"),
    ],
)
def test_a_message_nobody_sends_is_refused_with_the_nearest_one(variable: str, value: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=hint):
        load(environ={variable: value})


def test_settings_travel_to_another_process_as_json() -> None:
    settings = load(environ={"QUAERO_WEBSOCKET_THROTTLE_INTERVALS": "queue_stats=5s", "QUAERO_QUEUE_GRACE": "1h"})

    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings


def test_every_setting_is_described_and_its_spelling_reads_back() -> None:
    for one in describe(load(environ={})):
        field = FIELDS[one.key]

        assert len(one.meaning) > 10
        assert one.source == "default"
        assert field.read(one.value.replace(" = ", "="), is_text=True) == field.default


@given(micros=st.integers(min_value=0, max_value=10**15))
def test_any_duration_is_spelled_so_that_it_reads_back(micros: int) -> None:
    field = FIELDS["queue.grace"]

    assert field.read(field.spell(micros)) == micros


@given(size=st.integers(min_value=0, max_value=10**13))
def test_any_size_is_spelled_so_that_it_reads_back(size: int) -> None:
    field = FIELDS["logs.max_bytes_per_attempt"]

    assert field.read(field.spell(size)) == size


@given(names=st.lists(st.text(alphabet=st.characters(codec="ascii", exclude_characters=" ,["), min_size=1)))
def test_any_list_survives_the_environment_as_json(names: list[str]) -> None:
    field = FIELDS["server.allowed_origins"]

    assert field.read(json.dumps(names), is_text=True) == names
