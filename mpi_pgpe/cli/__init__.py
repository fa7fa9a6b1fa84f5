"""The commands' machinery: what is read from the command line, printed, filmed and stopped.

    entry, quiet_start, stop_requests   how a command begins and ends
    command_line, options, configs      what may be said to `train`, and the named configurations
    experiment, sacred_entries, sacred_patches   the run as sacred has it
    console, time_table                 what is printed meanwhile and at the end
    film                                windows and films for `enjoy`
    episode_leaks, numbered_episodes, other_process   what an environment keeps between episodes, for `doctor`

May import: all other rooms; of third parties sacred, docopt, tqdm, imageio and Pillow, each in its one place.
The commands themselves are the files beside these rooms: train, enjoy, plot, compare, doctor, sync; and agents.
"""
