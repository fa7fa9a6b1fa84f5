"""The record of a run: a folder of sacred's files, and a copy of it in MongoDB.

    experiment -> recorder -> delivery -> mirror     sync -> mirror
                  claims      target      files
                  capture

The folder comes first and is complete by itself; what MongoDB holds is made from it and can be made
again at any time (`python -m mpi_pgpe.sync`). So training waits for a disk, never for a database.
"""
