"""The commands' machinery: what is read from the command line, printed, filmed and stopped.

    entry, quiet_start, stop_requests   how a command begins and ends
    command_line, options, configs      what may be said to `train`, and the named configurations
    wrapper_option                      what may be said of wrappers to `enjoy` and `doctor`
    updates, plain_yaml, help           settings behind `with`, files of settings, and the help
    experiment, sacred_entries, sacred_patches   the run as sacred has it
    training_run, outcome, together     a run from its start to its end; runs that Python starts
    provenance                          which code a run has: commits, modules, versions; the processor
    console, time_table                 what is printed meanwhile and at the end
    end_watch, leftovers                ends without a word, and processes that would prevent the end
    viewer, film                        a saved agent in an environment, windows and films, for `enjoy`
    installation, broken_packages, env_habits   what `doctor` tells of this installation and of an environment
    episode_leaks, numbered_episodes, other_process   what an environment keeps between episodes, for `doctor`

May import: training, agents, parallel, envs, policies, search, runs, base; of third parties sacred, docopt, tqdm, yaml,
imageio and Pillow, each in its one place.
The commands themselves are the files beside these rooms: train, enjoy, plot, export, compare, doctor, sync; and agents.
"""
