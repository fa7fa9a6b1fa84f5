"""Policies: from an observation to an action, in numpy alone.

    network         linear and multilayer policies on one flat vector of parameters
    activations     what follows a layer
    spaces          the actions that a policy can take
    layout          observations and actions that are no flat array, as plain data
    normalization   running statistics of the observations, by which they are normalized

May import: base; of third parties numpy alone.
"""
