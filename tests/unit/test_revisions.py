import subprocess

import pytest

from mac.errors import DataError, MacError
from mac.revisions import WORKING_TREE, Commit, Folder, opened


def git(folder, *arguments):
    settings = ("-c", "user.name=n", "-c", "user.email=n@localhost", "-c", "commit.gpgsign=no")
    done = subprocess.run(
        ["git", *settings, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Two commits: `one` with a/x, a/y and a/deep/x of other content than the working tree's."""
    folder = tmp_path / "repository"
    (folder / "a/deep").mkdir(parents=True)
    for name in ("a/x", "a/y", "a/deep/x", "ü ö"):
        (folder / name).write_text(f"old {name}\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "one")
    git(folder, "rm", "-q", "a/y")
    (folder / "a/x").write_bytes(b"new\r\n\0")
    git(folder, "commit", "-qam", "two")
    monkeypatch.chdir(folder)
    return folder


def test_a_commit_is_read_without_touching_the_working_tree(repository):
    (repository / "a/x").write_text("uncommitted")
    tree = opened("one")
    assert isinstance(tree, Commit) and tree.commit == git(repository, "rev-parse", "one")
    assert tree.glob("a/*") == ["a/x", "a/y"]
    assert tree.glob("*/*/x") == ["a/deep/x"]
    assert tree.glob("*x") == []
    assert tree.read("a/x") == b"old a/x\n"
    assert tree.read("ü ö") == "old ü ö\n".encode()
    assert opened("HEAD").read("a/x") == b"new\r\n\0"
    assert opened("HEAD~1").commit == opened("one").commit == opened(tree.commit[:8]).commit
    assert (repository / "a/x").read_text() == "uncommitted"
    assert git(repository, "status", "--porcelain") == "M a/x"


def test_without_a_name_it_is_the_working_tree(repository):
    (repository / "a/x").write_text("uncommitted")
    tree = opened(None)
    assert (tree.name, tree.commit) == (WORKING_TREE, None)
    assert tree.read("a/x") == b"uncommitted"
    assert tree.glob("a/*") == ["a/x"]


def test_a_subfolder_of_a_repository_is_read_as_its_own_root(repository, monkeypatch):
    monkeypatch.chdir(repository / "a")
    assert opened("one").glob("*") == ["x", "y"]
    assert opened("one").read("y") == b"old a/y\n"


def test_a_folder_of_a_revisions_name_is_asked_for_by_its_path(repository):
    (repository / "one").mkdir()
    assert isinstance(opened("one"), Commit)
    assert isinstance(opened("./one"), Folder)


def test_folders_work_outside_a_repository(tmp_path, monkeypatch):
    (tmp_path / "old/results").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    tree = opened("old")
    assert (tree.name, tree.commit, tree.glob("results/*")) == ("old", None, [])


@pytest.mark.parametrize("name", ["nothing", "one..HEAD", "--all", "HEAD:a", ""])
def test_what_is_neither_is_refused_in_one_line(repository, name):
    with pytest.raises(MacError, match="neither a revision nor a folder") as caught:
        opened(name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named_with_its_version(repository):
    with pytest.raises(DataError, match="one:a/z: no such file"):
        opened("one").read("a/z")
    with pytest.raises(DataError, match="working tree/a/z: no such file"):
        opened(None).read("a/z")


def test_without_git_it_says_so(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MacError, match="git is missing"):
        opened("one")
