"""Pages of the documentation as programs: their blocks are run, and what they print is compared with the page.

docs/development.md describes the rules for who writes a page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

_FENCE = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\s*$")
_COMMENT = re.compile(r"^<!-- (?P<text>.*) -->$")
_LOG = re.compile(r"^(?:DEBUG|INFO|WARNING) - (?:mpi_pgpe|root) - ")  # sacred's
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


class PageError(AssertionError):
    """A page cannot be run, or does not show what is so."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        where: page and line.
        language: after the fence.
        title: name of the file that it is the content of, if any.
        text: its lines.
        reason: why it is not run, if it is not.
        slow: whether it is run with --slow alone.
        exit_code: that of its last command.
        server: the address on the page that stands for that of a MongoDB server.
        output: whether it is the output of the block before it.
    """

    where: str
    language: str
    title: str | None
    text: str
    reason: str | None
    slow: bool
    exit_code: int
    server: str | None
    output: bool

    def check(self) -> None:
        """Raise PageError for a block that is neither run nor says why."""
        if self.reason is not None or self.title or self.output:
            return
        if self.language not in {"sh", "console", "python"}:
            raise PageError(
                f"{self.where}: a block of {self.language or 'no language'!r} is not run, and has no reason"
            )
        if self.language == "console" and not self.text.startswith("$ "):
            raise PageError(f"{self.where}: a console block begins with a command")


def blocks(text: str, page: str) -> list[Block]:
    """The fenced blocks of a page."""
    found: list[Block] = []
    comments: list[str] = []
    all_slow = "<!-- slow page -->" in text
    lines = enumerate(text.splitlines(), 1)
    after_python = False  # whether nothing but empty lines came since a python block
    for number, line in lines:
        if not line.strip():
            continue
        if comment := _COMMENT.match(line):
            comments.append(comment["text"])
            continue
        if line.startswith("```"):
            where = f"{page}:{number}"
            fence = _FENCE.match(line)
            if not fence:
                raise PageError(f'{where}: expected ```LANGUAGE or ```LANGUAGE title="FILE", got {line}')
            content = "\n".join(_until_the_end(lines, where)) + "\n"
            found.append(
                _block(
                    where, fence["language"], fence["title"], content, [*comments, *["slow"] * all_slow], after_python
                )
            )
            after_python = fence["language"] == "python" and not fence["title"]
        else:
            after_python = False
        comments = []
    return found


def _until_the_end(lines: Iterator[tuple[int, str]], where: str) -> Iterator[str]:
    for _, line in lines:
        if line.startswith("```"):
            return
        yield line
    raise PageError(f"{where}: the block has no end")


def _block(where: str, language: str, title: str | None, text: str, comments: list[str], after_python: bool) -> Block:
    reason, slow, exit_code, server = None, False, 0, None
    for comment in comments:
        if comment.startswith("not run: "):
            reason = comment.removeprefix("not run: ")
        elif comment == "slow":
            slow = True
        elif match := re.fullmatch(r"exit (\d+)", comment):
            exit_code = int(match[1])
        elif match := re.fullmatch(r"a server at (\S+)", comment):
            server = match[1]
    output = language == "text" and after_python and reason is None
    return Block(where, language, title, text, reason, slow, exit_code, server, output)


@dataclass(frozen=True)
class Runner:
    """Runs blocks in a folder.

    Attributes:
        folder: where the commands run.
        environ: their variables.
        server: address of a MongoDB server, for the blocks that name one.
    """

    folder: Path
    environ: Mapping[str, str]
    server: str | None = None

    def run(self, page: list[Block], slow: bool) -> int:
        """Run the blocks of a page in order, the slow ones only if `slow`; returns how many were run.

        Raises:
            PageError: a block cannot be run, fails, or prints something else than the page shows.
        """
        ran = 0
        for block, after in pairwise([*page, None]):
            assert block is not None
            block.check()
            if block.reason is not None or block.output or (block.slow and not slow):
                continue
            if block.title:
                (self.folder / block.title).write_text(block.text)
                continue
            ran += 1
            if block.language == "console":
                self._run_console(block)
            elif block.language == "sh":
                self._run(block, "bash", "-euo", "pipefail", "-c", block.text)
            else:
                (self.folder / "block.py").write_text(self._here(block, block.text))
                printed = self._run(block, sys.executable, "block.py", errors=subprocess.PIPE)
                if after is not None and after.output:
                    compare(after.where, after.text, printed)
        return ran

    def _run_console(self, block: Block) -> None:
        commands = re.split(r"^\$ ", block.text, flags=re.M)[1:]
        for i, part in enumerate(commands):
            command, _, expected = part.partition("\n")
            exit_code = block.exit_code if i == len(commands) - 1 else 0
            printed = self._run(block, "bash", "-c", self._here(block, command), exit_code=exit_code)
            compare(f"{block.where}: {command}", self._here(block, expected), printed)

    def _here(self, block: Block, text: str) -> str:
        """The text, with the server that is here instead of that on the page."""
        if block.server is None:
            return text
        assert self.server
        return text.replace(block.server, self.server)

    def _run(self, block: Block, *command: str, exit_code: int = 0, errors: int = subprocess.STDOUT) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=dict(self.environ), text=True, check=False, timeout=600,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        if done.returncode != exit_code:
            shown = "\n".join(command[-1:])
            raise PageError(f"{block.where}: exit code {done.returncode} of\n{shown}\n{done.stdout}{done.stderr or ''}")
        return done.stdout


def compare(where: str, expected: str, printed: str) -> None:
    """Raise PageError if what was printed is not what the page shows."""
    lines = [line.rstrip() for line in _COLOUR.sub("", printed).splitlines() if not _LOG.match(line)]
    text = "".join(f"{line}\n" for line in lines)
    if not re.fullmatch(_pattern(expected), text):
        raise PageError(f"{where}\nexpected\n{expected}\nprinted\n{text}")


def _pattern(expected: str) -> str:
    """A regular expression for an output in which "..." stands for any text, and a line of it for any lines."""
    parts = []
    for line in expected.rstrip("\n").splitlines():
        inside = ".*".join(re.escape(part) for part in line.rstrip().split("..."))
        parts.append(r"(?:.*\n)*?" if line.strip() == "..." else rf"{inside}\n")
    return "".join(parts)
