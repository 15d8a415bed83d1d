"""What the supervisor takes for a child that stands still, and what not."""

from pathlib import Path

import pytest

from quaero.settings import Settings
from quaero.settings.sections import Jobs, Queue, StoreSection
from quaero.storage.sqlstore import SqlStore
from quaero.supervisor import Supervisor

pytestmark = pytest.mark.anyio


async def test_a_child_may_start_slower_than_it_may_be_silent_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"sqlite:///{tmp_path}/quaero.db"
    async with SqlStore.open(url):
        pass
    settings = Settings(
        store=StoreSection(url=url), queue=Queue(executors=1), jobs=Jobs(definitions_dir=str(tmp_path / "definitions"))
    )
    supervisor = Supervisor(settings, app=None, listener=None)
    monkeypatch.setattr(supervisor, "_patience", 0.01)  # less than any interpreter needs to start
    said = []

    def ready() -> None:
        said.append(capsys.readouterr().err)
        supervisor.stop()

    await supervisor.run(ready)

    assert said == [""]
