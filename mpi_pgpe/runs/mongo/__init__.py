"""The copy of a run's record in MongoDB, made from its folder.

    mirror, grid_files   one run's documents and files, brought up to what the folder holds
    delivery             the thread that does so while a run goes on
    earlier_runs         the same for runs that have ended
    stored_file          one file of a run, read again
    address, access      the database that -m and MPI_PGPE_MONGO name, and the way to it

May import what runs may; of third parties pymongo, imported when it is first needed.
"""
