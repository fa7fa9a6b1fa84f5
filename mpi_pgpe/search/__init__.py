"""The search for a good vector, which knows nothing of policies or environments.

    pgpe          the distribution, and its update from the fitness of a population
    optimizers    ClipUp, Adam and SGD, which move its center
    stdev_limits  how far its stdev may go
    arguments     checks of the arguments of these
    ranking       fitness as ranks
    noise         directions, rebuilt by any rank from one number, and exact sums of them
    threads       the work of a search that no ranks share, on all cores
    seeds         all that is random in a run

May import: base; of third parties numpy alone. Begin with pgpe.
"""
