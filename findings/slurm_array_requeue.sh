#!/bin/bash
# `scontrol requeue $SLURM_JOB_ID` in the last task of a Slurm array requeues all tasks, even finished ones.
#
# Versions:  Slurm 22.05 (Debian 12); as root, installs it with apt, and brings up one node
# Expected:  a task that requeues its own SLURM_JOB_ID requeues itself.
# Behaviour: so it is for all tasks but one: the task that was made last has the array's own number as its
#            SLURM_JOB_ID, and scontrol takes that for the whole array: tasks that run are stopped and requeued, tasks that
#            are complete run again. With ${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID} one task is requeued, always.
# Seen (tasks 0 to 2; 0 is finished, 1 and 2 run, 2 requeues itself; the states afterwards):
#   by SLURM_JOB_ID: 0 PENDING, 1 PENDING, 2 PENDING,
#   by array and task: 0 COMPLETED, 1 RUNNING, 2 PENDING,
. "$(dirname "$0")/_common.sh"

slurm_node
cat >task.sh <<'J'
#!/bin/bash
[ "$SLURM_ARRAY_TASK_ID" != 0 ] || exit 0
sleep 6
if [ "$SLURM_ARRAY_TASK_ID" = 2 ]; then
  case $1 in
  number) scontrol requeue "$SLURM_JOB_ID" ;;
  task) scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" ;;
  esac
fi
sleep 60
J
after() {
  local id
  id=$(sbatch --parsable --time=5 --requeue --array=0-2 --output=/dev/null task.sh "$1") || cannot "sbatch refuses the job"
  sleep 15
  squeue --noheader --states=all --array --jobs="$id" --format="%K %T," | sort -n | tr '\n' ' '
  scancel "$id"
}
number=$(after number) task=$(after task)
echo "by SLURM_JOB_ID: $number"
echo "by array and task: $task"
[ "$number" = "0 PENDING, 1 PENDING, 2 PENDING, " ] && [ "$task" = "0 COMPLETED, 1 RUNNING, 2 PENDING, " ]
verdict $?
