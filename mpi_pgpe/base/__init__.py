"""What knows nothing of reinforcement learning: small tools that every room may use.

    errors        what a user is told, and exit codes
    output        printing that ends no program
    checks        numbers and flags that are refused in one line if they cannot be
    text          JSON in one line, text that is fit for a terminal
    arguments     of several command lines
    atomic_file   files that are there whole or not at all
    regular_file  files of others, read without waiting and in bounded size
    file_lock     locks between programs, which die with their owners
    exact_sums    sums with the same bits in any order
    inside        a block around a user's code
    global_generators   random numbers of the whole process, seeded together
    state         plain data with arrays, and its digest
    fast_numpy    two functions of numpy without the Python around them
    packages      how packages are installed that more than one room names

May import: nothing else of this package; of third parties numpy alone.
"""
