"""A configuration (configs.py) as sacred takes it, with the comments of the table of settings."""

from __future__ import annotations

import copy
from typing import Any

from sacred.config.config_summary import ConfigSummary
from sacred.config.utils import dogmatize, recursive_fill_in, undogmatize

from mpi_pgpe.cli.configs import Configuration
from mpi_pgpe.training.setting import Follows
from mpi_pgpe.training.settings import TABLE


class Entries:
    """Stands where sacred has a ConfigScope or ConfigDict of its own.

    What is set on the command line or by a named configuration replaces an entry, and the entries that follow it are
    computed from it.
    """

    def __init__(self, configuration: Configuration) -> None:
        self._entries = configuration.entries
        self.__doc__ = configuration.description

    def __call__(
        self, fixed: dict[str, Any] | None = None, preset: dict[str, Any] | None = None, fallback: Any = None
    ) -> ConfigSummary:
        """The entries around those in `fixed`, which stay as they are, and `preset`."""
        found = dogmatize(fixed or {})
        for name, entry in self._entries.items():
            # `found` shows what is fixed once this configuration has an entry for it, and not before.
            value = entry.value({**(fixed or {}), **found}) if isinstance(entry, Follows) else copy.deepcopy(entry)
            recursive_fill_in(found, {name: value})
        recursive_fill_in(found, preset or {})
        comments = {name: each.comment for name, each in TABLE.items()}
        summary = ConfigSummary(found.revelation(), found.modified, found.typechanges, docs=comments)
        summary.update(undogmatize(found))
        return summary
