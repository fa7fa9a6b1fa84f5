"""Policies: from an observation to an action, in numpy alone but for a user's own torch modules.

    interface       what every policy is
    network         what a network is, and linear and multilayer policies on one flat vector of parameters
    recurrent       recurrent ones likewise
    own             networks of one's own, from a class that a user brings
    own_torch       those that are torch modules
    making          from the description of a network to its policy
    activations     what follows a layer
    spaces          the actions that a policy can take
    layout          observations and actions that are no flat array, as plain data
    normalization   running statistics of the observations, by which they are normalized

May import: base; of third parties numpy and, in own_torch alone, torch.
"""
