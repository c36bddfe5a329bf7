"""Released files come over https unless their file says otherwise."""

from types import SimpleNamespace

import pytest
import yaml

from mac.errors import ConfigError
from mac.planning.sources import addresses

JOB = SimpleNamespace(config={"data": {"shards": 1}}, task="t", data_files=("a.npz",))


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Writes where released files are; returns the address that a job gets."""
    monkeypatch.setenv("MAC_CONFIG_PATH", str(tmp_path))
    (tmp_path / "datasets").mkdir()

    def write(**content):
        (tmp_path / "datasets" / "ogbench.yaml").write_text(yaml.safe_dump(content))
        return addresses(JOB)

    return write


def test_https_needs_no_permission(host):
    assert host(files="https://example.org/{file}") == ["https://example.org/a.npz"]


@pytest.mark.parametrize("scheme", ["http", "ftp", "file", "HTTPS"])
@pytest.mark.parametrize("allowed", [None, False, "yes"])
def test_anything_else_is_refused(host, scheme, allowed):
    with pytest.raises(ConfigError, match=r"ogbench.yaml: files: not an https address.*allow_http"):
        host(files=f"{scheme}://example.org/{{file}}", allow_http=allowed)


def test_a_user_may_say_otherwise(host):
    found = host(files="http://example.org/{file}", allow_http=True)
    assert found == ["http://example.org/a.npz"]
