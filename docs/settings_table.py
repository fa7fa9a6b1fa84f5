"""Write the tables of settings into configuration.md, between its markers: `python docs/settings_table.py`."""

from __future__ import annotations

from pathlib import Path

from mpi_pgpe.cli.configs import NAMED
from mpi_pgpe.training.setting import GROUPS, Follows, Setting
from mpi_pgpe.training.settings import TABLE

PAGE = Path(__file__).parent / "configuration.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
_RESUME = {"same": "", "may change": "yes", "not of the run": "yes"}


def tables() -> str:
    """A table of the settings for each group, and one of the prepared configurations."""
    parts = []
    for group, title in GROUPS.items():
        rows = [each for each in TABLE.values() if each.group == group]
        parts.append(
            f"### {title}\n\n| setting | default | what it does | a resumed run may change it |\n|---|---|---|---|"
        )
        parts[-1] += "".join(
            f"\n| `{each.name}` | {_default(each)} | {each.comment} | {_RESUME[each.resume]} |" for each in rows
        )
    names = [name for name in TABLE if any(name in configuration.entries for configuration in NAMED.values())]
    head = "### Prepared configurations\n\n" + "\n".join(
        f"- `{name}`: {configuration.description}" for name, configuration in NAMED.items()
    )
    rows_of_named = [
        f"| `{name}` | " + " | ".join(_entry(c.entries, name) for c in NAMED.values()) + " |" for name in names
    ]
    columns = f"| setting | {' | '.join(f'`{name}`' for name in NAMED)} |\n|{'---|' * (1 + len(NAMED))}"
    parts.append("\n".join([f"{head}\n", columns, *rows_of_named]))
    return "\n\n".join(parts)


def _default(each: Setting) -> str:
    if each.shown is not None:
        return each.shown
    return f"`{each.default}`" if isinstance(each.default, Follows) else f"`{each.default!r}`"


def _entry(entries: object, name: str) -> str:
    assert isinstance(entries, dict)
    if name not in entries:
        return ""
    value = entries[name]
    return f"`{value}`" if isinstance(value, Follows) else f"`{value!r}`"


def with_tables(page: str) -> str:
    """The page, with the tables between its markers.

    Raises:
        ValueError: it has no markers.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the markers {BEGIN} and {END} in the page")
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
