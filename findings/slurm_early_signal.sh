#!/bin/bash
# Slurm's --signal comes earlier than asked for, by up to a minute.
#
# Versions:  Slurm 22.05 (Debian 12); as root, installs it with apt, and brings up one node
# Expected:  --time=2 --signal=B:USR1@60 sends SIGUSR1 60 seconds after the start, 60 before the limit.
# Behaviour: the limits are looked at every half minute or so, and the signal goes out at the last look that is not too
#            late. How early depends on when the job began: jobs submitted seconds apart get it together. What
#            a job does after it may take as long as asked for, but the time before it is shorter than reckoned.
# Seen (jobs submitted 7 seconds apart):
#   asked for: 60 seconds after the start; came after: 37 44 51 58
. "$(dirname "$0")/_common.sh"

slurm_node
cat >job.sh <<'J'
#!/bin/bash
start=$(date +%s%N)
trap 'echo $((($(date +%s%N) - start) / 1000000000)) >>seconds; exit' USR1
for _ in $(seq 200); do sleep 1 & wait $!; done
J
touch seconds
for _ in 1 2 3 4; do
  sbatch --time=2 --signal=B:USR1@60 --output=/dev/null job.sh >/dev/null || cannot "sbatch refuses the job"
  sleep 7
done
for _ in $(seq 100); do
  [ "$(wc -l <seconds)" = 4 ] && break
  sleep 1
done
echo "asked for: 60 seconds after the start; came after: $(sort -n seconds | tr '\n' ' ')"
least=$(sort -n seconds | head -n 1)
[ -n "$least" ] && [ "$least" -le 55 ]
verdict $?
