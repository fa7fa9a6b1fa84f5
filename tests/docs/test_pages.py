"""Every command and every piece of Python in README.md and docs/ is run, and prints what the page shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import Block, PageError, Runner, blocks, compare
from mongo_server import Server
from places import ROOT, python_path

pytestmark = pytest.mark.launches

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def page(path: Path) -> list[Block]:
    return blocks(path.read_text(), str(path.relative_to(ROOT)))


def is_run(block: Block) -> bool:
    return block.reason is None and not block.output and not block.title


RUN = [
    pytest.param(path, slow, id=f"{path.relative_to(ROOT)}{'-slow' * slow}", marks=[pytest.mark.slow] * slow)
    for path in PAGES
    for slow in (False, True)
    if any(is_run(block) and block.slow == slow for block in page(path))
]


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """In a folder that has what a user finds in that of the project, and this environment, with nothing to install."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("bin", "benchmarks", "slurm", "tests", "setup.py"):
        (folder / name).symlink_to(ROOT / name)
    venv = tmp_path / "venv"
    venv.mkdir()
    for entry in Path(sys.prefix).iterdir():
        if not entry.name.startswith(".installed"):
            (venv / entry.name).symlink_to(entry)
    stamp = subprocess.run(
        "cat setup.py bin/constraints.txt | cksum", shell=True, cwd=ROOT, capture_output=True, check=True
    )
    (venv / ".installed-all").write_bytes(stamp.stdout)
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "MPI_PGPE"))}
    environ |= {
        "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}",
        "PYTHONPATH": python_path(),
        "VENV": str(venv),
        "NRANKS": "2",
        "MPLBACKEND": "agg",
    }
    return Runner(folder, environ)


@pytest.mark.parametrize(("path", "slow"), RUN)
def test_a_page_does_what_it_shows(runner: Runner, path: Path, slow: bool, request: pytest.FixtureRequest) -> None:
    found = page(path)
    if any(block.server for block in found):
        runner = Runner(runner.folder, runner.environ, request.getfixturevalue("address"))
    assert runner.run(found, slow)


@pytest.fixture
def address(tmp_path: Path):
    server = Server(tmp_path / "server")
    yield f"127.0.0.1:{server.port}"
    server.kill()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_is_run_or_says_why_not(path: Path) -> None:
    for block in page(path):
        block.check()


def test_the_readme_is_short_and_names_every_page() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert [page for page in sorted(pages) if f"(docs/{page}" not in "\n".join(lines)] == []


def run(text: str, folder: Path) -> int:
    return Runner(folder, os.environ).run(blocks(text, "page"), slow=False)


def test_a_changed_output_fails(tmp_path: Path) -> None:
    assert run("```console\n$ echo one; echo two\none\ntwo\n```\n", tmp_path) == 1
    for changed in ("one\nthree", "one", "one\ntwo\nthree", "", "one\n...\nthree"):
        with pytest.raises(PageError, match="printed"):
            run(f"```console\n$ echo one; echo two\n{changed}\n```\n", tmp_path)
    assert run("```python\nprint(1)\n```\n\n```text\n1\n```\n", tmp_path) == 1
    with pytest.raises(PageError, match="printed"):
        run("```python\nprint(1)\n```\n\n```text\n2\n```\n", tmp_path)


def test_a_command_that_fails_fails(tmp_path: Path) -> None:
    for text in ("```sh\nfalse\ntrue\n```", "```console\n$ false\n$ true\n```", "```python\nraise SystemExit(3)\n```"):
        with pytest.raises(PageError, match="exit code"):
            run(text, tmp_path)
    with pytest.raises(PageError, match="exit code 0"):
        run("<!-- exit 1 -->\n```console\n$ true\n```", tmp_path)
    assert run("<!-- exit 1 -->\n```console\n$ false\n```", tmp_path) == 1


def test_a_block_that_is_neither_run_nor_explained_fails() -> None:
    for text in ("```text\nx\n```", "```\nx\n```", "```bash\ntrue\n```", "```console\ntrue\n```"):
        with pytest.raises(PageError):
            [block.check() for block in blocks(text, "page")]
    for text in ("```sh", "```python title=x\n```"):
        with pytest.raises(PageError):
            blocks(text, "page")
    (explained,) = blocks("<!-- not run: a diagram -->\n```text\nx\n```", "page")
    explained.check()


def test_dots_stand_for_any_text_and_any_lines() -> None:
    compare("", "a ... c\n...\nz\n", "a b c\nd\ne\nz\n")
    compare("", "...\n", "")
    compare("", "a\n", "\x1b[31ma\x1b[0m\nINFO - mpi_pgpe - Started\n")
    with pytest.raises(PageError):
        compare("", "a ... c\n", "a b\nc\n")


def test_a_titled_block_is_a_file(tmp_path: Path) -> None:
    assert run('```python title="x.py"\nprint(5)\n```\n```console\n$ python x.py\n5\n```', tmp_path) == 1
