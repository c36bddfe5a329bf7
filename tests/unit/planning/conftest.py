from pathlib import Path

import pytest


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A working folder with the repository's configuration and no results."""
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "configs").symlink_to(Path("configs").resolve())
    monkeypatch.chdir(tmp_path / "clone")
