"""Saved agents as torch modules; the only place in this room that imports torch.

module    from an agent to its module
layers    around the networks
cells     recurrent ones
"""
