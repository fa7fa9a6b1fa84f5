"""Parallel execution by MPI, independent of reinforcement learning: tasks go to the ranks, numbers come back.

    farm, dispatcher, messages        rank 0 hands out tasks, and the others run them
    rounds, load, tasks               which tasks are needed, how long they take, what may end one
    world                             what rank 0 tells all ranks, what they add up, and how they part
    fault_tolerance, host_watch       lost ranks and lost hosts
    start_limit, leftovers            ranks that die as MPI starts, and what killed programs leave
    episode_timeout                   tasks that do not return
    launcher, launcher_output         mpiexec and srun; printing when they no longer print
    one_thread, clock                 threads of a rank, where its time goes

May import: base; of third parties numpy and, in world alone, mpi4py.
"""
