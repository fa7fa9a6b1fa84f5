# shellcheck shell=bash
# Sourced by a job script once the environment is active: copies it to the own disk of every node of the job, once
# a node, and takes the copy into use. Thousands of ranks that import from a shared file system at the same moment
# wait for it in turn; Slurm's sbcast hands one archive from node to node instead.
#   . slurm/stage_env.sh
# STAGE_DIR      folder on the nodes' disks (TMPDIR, else /tmp)
# STAGE_WITHOUT  names of packages that stay behind, because training does not import them
STAGE_WITHOUT=${STAGE_WITHOUT:-torch* functorch sympy networkx mypy* *mypyc* pip}

stage() {
  local without job=${STAGE_DIR:-${TMPDIR:-/tmp}}/mpi_pgpe-$SLURM_JOB_ID copy places
  copy=$job-${SLURM_RESTART_COUNT:-0} # each attempt's own: an earlier one may end only when its lost node is back
  # the environment, and the package where it is not installed in it but beside it
  places=$(python -c 'import pathlib, sys, mpi_pgpe
print(sys.prefix, pathlib.Path(mpi_pgpe.__file__).parent.parent, sep="\n")')
  trap unstage EXIT # whatever fails from here on
  ARCHIVE=$(mktemp)
  read -ra without <<<"$STAGE_WITHOUT"
  tar -cf "$ARCHIVE" "${without[@]/#/--exclude=*/site-packages/}" \
    -C "$(head -n 1 <<<"$places")" . -C "$(tail -n 1 <<<"$places")" mpi_pgpe
  STAGED=$copy
  sbcast --force "$ARCHIVE" "$copy.tar"
  rm -f "$ARCHIVE"
  # shellcheck disable=SC2016  # for the inner sh
  on_every_node sh -c 'for left in "$1"-*; do [ "$left" = "$0.tar" ] || rm -rf "$left"; done
mkdir -p "$0" && tar -C "$0" -xf "$0.tar" && rm "$0.tar"' "$copy" "$job"
  export PATH=$copy/bin:$PATH PYTHONPATH=$copy${PYTHONPATH:+:$PYTHONPATH} VIRTUAL_ENV=$copy
  hash -r
}

# a lost node is waited for, but not for ever
on_every_node() {
  timeout "${STAGE_SECONDS:-600}" srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 "$@"
}

unstage() { # _job.sh calls it when the job ends
  [ -z "${ARCHIVE:-}" ] || rm -f "$ARCHIVE"
  [ -z "${STAGED:-}" ] || STAGE_SECONDS=60 on_every_node rm -rf "$STAGED" "$STAGED.tar" || true
  STAGED=''
}

stage
