"""MuJoCo's warnings: not in a file of the user's folder, to which each of many ranks would append."""

from __future__ import annotations

import sys


def keep_out_of_folder() -> None:
    """Have MuJoCo, where it is loaded and nobody else listens, drop its warnings.

    By itself it prints them and appends them to MUJOCO_LOG.TXT in the working folder. What matters of them, numbers
    that are not finite, training sees in the rewards.
    """
    mujoco = sys.modules.get("mujoco")
    listener = getattr(mujoco, "get_mju_user_warning", None)
    if mujoco is not None and listener is not None and listener() is None:
        mujoco.set_mju_user_warning(_drop)


def _drop(message: str) -> None:
    pass
