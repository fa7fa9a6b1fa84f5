"""Masses and inertias as MuJoCo 2.1 took them from the shapes of a model, given to a model of today's MuJoCo."""

from __future__ import annotations

import functools

import mujoco
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def give_masses_of_2_1(model: mujoco.MjModel, density: float, total_mass: float | None = None) -> None:
    """Recompute all that follows from the bodies' masses, in place.

    Args:
        model: of spheres, capsules and planes alone, all with the same contact margin.
        density: of its geoms, in kg/m^3.
        total_mass: in kg, to which all masses are scaled; None: as they come.

    Raises:
        ImportError: this MuJoCo is too old.
    """
    if not hasattr(mujoco, "mjtSameFrame"):
        raise ImportError(
            f"expected MuJoCo 3 or later, got {mujoco.__version__}; install one: pip install mujoco==4.0.0"
        )
    for body in range(1, model.nbody):
        geoms = np.flatnonzero(model.geom_bodyid == body)
        parts = [_mass_and_inertia(model, geom, density) for geom in geoms]
        mass = sum(part[0] for part in parts)
        if len(geoms) == 1:
            position, rotation, inertia = model.geom_pos[geoms[0]], model.geom_quat[geoms[0]], parts[0][1]
        else:
            position = sum(part[0] * model.geom_pos[geom] for part, geom in zip(parts, geoms, strict=True)) / mass
            tensor = np.zeros((3, 3))
            for (own_mass, own), geom in zip(parts, geoms, strict=True):
                tensor += _turn(own, model.geom_quat[geom]) + _of_point(own_mass, model.geom_pos[geom] - position)
            inertia, rotation = _principal(tensor)
        model.body_mass[body], model.body_inertia[body] = mass, inertia
        model.body_ipos[body], model.body_iquat[body] = position, rotation
    if total_mass is not None:
        scale = total_mass / model.body_mass.sum()
        model.body_mass *= scale
        model.body_inertia *= scale
    # Short cuts for frames that coincide: what held for the inertial frames before may hold no longer.
    frame = mujoco.mjtSameFrame
    aligned = (model.body_ipos == 0).all(axis=1) & (model.body_iquat == [1, 0, 0, 0]).all(axis=1)
    model.body_sameframe[:] = np.where(aligned, int(frame.mjSAMEFRAME_BODY), int(frame.mjSAMEFRAME_NONE))
    of_inertia = [int(frame.mjSAMEFRAME_INERTIA), int(frame.mjSAMEFRAME_INERTIAROT)]
    model.geom_sameframe[np.isin(model.geom_sameframe, of_inertia)] = int(frame.mjSAMEFRAME_NONE)
    model.geom_margin /= _margins_in_a_contact()
    mujoco.mj_setConst(model, mujoco.MjData(model))


def _mass_and_inertia(model: mujoco.MjModel, geom: int, density: float) -> tuple[float, FloatArray]:
    """(mass, principal moments of inertia) of a geom, as MuJoCo 2.1 has them."""
    radius, half_length = model.geom_size[geom][:2]
    kind = model.geom_type[geom]
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        mass = density * 4 / 3 * np.pi * radius**3
        return mass, np.full(3, 2 / 5 * mass * radius**2)
    if kind == mujoco.mjtGeom.mjGEOM_CAPSULE:  # as a cylinder of half length h + r/2
        length = 2 * (half_length + radius / 2)
        mass = density * np.pi * radius**2 * length
        across = mass * (3 * radius**2 + length**2) / 12
        return mass, np.array([across, across, mass * radius**2 / 2])
    raise ValueError(f"expected a sphere or a capsule, got {mujoco.mjtGeom(kind).name} (geom {geom})")


def _turn(inertia: FloatArray, quaternion: FloatArray) -> FloatArray:
    """The inertia tensor, shape (3, 3), of something with principal moments `inertia` that is turned."""
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, quaternion)
    rotation = matrix.reshape(3, 3)
    return rotation @ np.diag(inertia) @ rotation.T


def _of_point(mass: float, offset: FloatArray) -> FloatArray:
    """The inertia tensor, shape (3, 3), of a point mass at `offset` (parallel axis theorem)."""
    return mass * (offset @ offset * np.eye(3) - np.outer(offset, offset))


def _principal(tensor: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(principal moments, quaternion of the axes) of an inertia tensor of shape (3, 3)."""
    moments, axes, quaternion = np.empty(3), np.empty(9), np.empty(4)
    mujoco.mju_eig3(moments, axes, quaternion, tensor.ravel())
    return moments, quaternion


@functools.cache
def _margins_in_a_contact() -> float:
    """How many margins a contact of two geoms with the same margin has: MuJoCo 2.1 took the larger of
    the two, so one; versions of late add them up, so two."""
    model = mujoco.MjModel.from_xml_string(
        """<mujoco><worldbody>
             <geom type="plane" size="1 1 1" margin="1"/>
             <body pos="0 0 .5"><freejoint/><geom size=".5" margin="1"/></body>
           </worldbody></mujoco>"""
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return float(data.contact[0].includemargin)
