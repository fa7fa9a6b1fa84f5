"""Training: generations of episodes, evaluated by all ranks, and what comes of each.

    trainer                   one generation after another, on rank 0; begin here
    team, evaluator, job      what all ranks do together, what each does by itself, what they are told
    problem, blocks           what is evaluated: the interface; how it is shared out in tasks
    episodes, rollout         the problem "a policy in an environment"; one episode
    functions                 the problem "a function of a vector"
    named_code                functions and classes of users, by their names
    subject, best_solution    what is trained, as rank 0 knows it, and what is saved of it
    settings                  the table of settings
    search_settings, policy_settings, function_settings   more rows of it
    general_defaults          those of an environment that no configuration was prepared for
    setting, setting_checks   what a row is, and the checks of values
    initial_search, initial_agent   what a run begins with: by its settings, and from a saved agent
    metrics, failures         what a generation brought, and what is said of failed episodes
    on_generation             what a user's function sees after each generation, and may set

May import: search, policies, envs, parallel, agents, base; of third parties numpy alone.
"""
