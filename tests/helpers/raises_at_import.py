"""A user's module that is found, and raises."""

raise RuntimeError("the license has expired")
