"""Policies: from an observation to an action, in numpy alone.

    interface       what every policy is
    network         what a network is, and linear and multilayer policies on one flat vector of parameters
    recurrent       recurrent ones likewise
    making          from the description of a network to its policy
    activations     what follows a layer
    spaces          the actions that a policy can take
    layout          observations and actions that are no flat array, as plain data
    normalization   running statistics of the observations, by which they are normalized

May import: base; of third parties numpy alone.
"""
