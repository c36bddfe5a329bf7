import shutil
import subprocess
from pathlib import Path

import pytest

from mac.report.render import RenderConfig, render
from tests.unit.report.summaries import built, built_model_error

PAPER = Path(__file__).parents[3] / "configs" / "paper"
PAGE = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
\input{first.tex}
\input{second.tex}
\end{document}
"""
PRINTABLE = "".join(map(chr, range(33, 127)))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_tables_compile_whatever_the_names(tmp_path):
    rates = {"mac": 0.6, PRINTABLE: 0.5, "größe ± τ": 0.1}
    folder = built(tmp_path, rates, environments=("cube-single", "scene"), seeds=4, episodes=8)
    render(
        folder,
        RenderConfig(PRINTABLE, "\\input{x} " + PRINTABLE, paper=PAPER / "reward_1m.yaml"),
        fingerprint="r",
    )
    shutil.copy(folder / "table.tex", tmp_path / "first.tex")
    folder = built_model_error(tmp_path)
    render(folder, RenderConfig("Model error"), fingerprint="r")
    shutil.copy(folder / "table.tex", tmp_path / "second.tex")
    (tmp_path / "page.tex").write_text(PAGE)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "page.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
    assert "Missing character" not in done.stdout
