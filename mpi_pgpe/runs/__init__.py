"""A run on disk: the folder of its record and a copy in MongoDB, its agents and checkpoints, and reading them again.

    recorder -> growing_record, mongo/delivery -> mongo/mirror      sync -> mongo/mirror
    run_folder, run_id, place, output_capture       the folder: its files, its number, where it is, what was printed
    saved_agents, checkpoint, keeper                what a run saves
    start, resume                                   the checkpoint that a run goes on from, and finding it
    run_lock, recorded_generations                  by one program at a time, recording what is not recorded yet
    checksums, dead_runs                            what tells later damage of a record, and that its program is gone
    reader, summary, __main__                       recorded runs, for plot, compare and the command `runs`
    joined, artifacts                               the records of one run and the runs of one setting; saved agents

The folder comes first and is complete by itself; what MongoDB holds is made from it and can be made
again at any time (`python -m mpi_pgpe.sync`). So training waits for a disk, never for a database.

May import: training, agents, base; of third parties numpy and sacred's observers and, in mongo/ alone, pymongo.
"""
