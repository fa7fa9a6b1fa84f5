#!/bin/bash
# MuJoCo's deprecation warning goes into a file in the working folder, once for each process that makes HalfCheetah.
#
# Versions:  mujoco 4.0.0 (seen since 3.16), gymnasium 1.4.0, numpy 2.4.6
# Expected:  making an environment writes no files.
# Behaviour: HalfCheetah's model has the attribute settotalmass; to compile it prints a warning and appends it to
#            MUJOCO_LOG.TXT in the working folder, so every rank of a program writes to the user's folder.
# Seen:
#   files after gymnasium.make("HalfCheetah-v5"): MUJOCO_LOG.TXT, 2 warnings from 2 processes
. "$(dirname "$0")/_common.sh"

packages mujoco==4.0.0 gymnasium==1.4.0 numpy==2.4.6 packaging==25.0 imageio==2.37.0

mkdir here && cd here || exit 1
for _ in 1 2; do python -c 'import gymnasium; gymnasium.make("HalfCheetah-v5")' >../out 2>&1 || cat ../out; done
# shellcheck disable=SC2012  # names of its own
n=$(grep -c settotalmass MUJOCO_LOG.TXT)
echo "files after gymnasium.make(\"HalfCheetah-v5\"): $(echo *), $n warnings from 2 processes"
[ "$(echo *)" = MUJOCO_LOG.TXT ] && [ "$n" = 2 ]
verdict $?
