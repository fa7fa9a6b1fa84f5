"""A user's module that is found, and imports one that is not."""

import a_module_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401
