import pytest

from mac.stats.absent import advice

FOLDERS = ["results/stages/scene/evaluate-0123456789ab/seed0", "data/raw/scene-0123456789ab"]
CONFIG = """[core]
    remote = lab
['remote "lab"']
    url = {}
"""


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_nobody_published_is_computed(tmp_path):
    (line,) = advice(FOLDERS, "quick", tmp_path)
    assert line == (
        "folders not in DVC: 2; `rm -r results/quick`, then `snakemake --cores all quick`,"
        " computes them here"
    )
    assert advice([], "quick", tmp_path) == []


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "name a remote that has them (docs/dvc.md), then `dvc pull`"),
        ({"config": "[core]\n    remote = lab\n"}, "name a remote that has them"),
        ({"config": CONFIG.format("s3://bucket/folder")}, "`dvc pull` brings them"),
        ({"config": CONFIG.format("../lab")}, "`dvc pull` brings them"),
        ({"config": CONFIG.format("../../lab")}, "the remote lab is not here; name one"),
        (
            {"config": CONFIG.format("../../lab"), "config.local": CONFIG.format("ssh://a/b")},
            "`dvc pull` brings them",
        ),
    ],
)
def test_dvc_pull_is_only_advised_where_there_is_a_remote(tmp_path, files, says):
    (tmp_path / "lab").mkdir()
    for name, text in files.items():
        write(tmp_path / ".dvc" / name, text)
    write(tmp_path / f"{FOLDERS[0]}.dvc")
    pulled, computed = advice(FOLDERS, "quick", tmp_path)
    assert pulled.startswith(f"folders in DVC: 1; {says}")
    assert computed.startswith("folders not in DVC: 1; ")
    write(tmp_path / "data/raw/scene-0123456789ab.dvc")
    (line,) = advice(FOLDERS, "quick", tmp_path)
    assert line.startswith(f"folders in DVC: 2; {says}")
