#!/bin/bash
# What torch.export gives shares its state with the module: trying it moves both, and what is saved afterwards begins there.
#
# Versions:  torch 2.13.0, numpy 2.4.6; a recurrent module with its state in a registered buffer
# Expected:  an exported program is a copy: it begins with the state at export each time that .module() is called, or
#            that it is saved and loaded.
# Behaviour: the buffers of the module, of the program and of each .module() are the same memory. A program that is tried
#            before it is saved is saved with the memory of the trial. A copy.deepcopy of the module, exported, leaves the
#            module alone; only setting the state before saving mends the program.
# Seen (largest entry of the state, zero at export):
#   after one step of the program: the module's 0.25, of another .module() 0.25, loaded from a file 0.25; set to zero and saved: 0
. "$(dirname "$0")/_common.sh"

TORCH=${TORCH:-torch==2.13.0} # another spelling where this one brings gigabytes of CUDA libraries
packages "$TORCH" numpy==2.4.6

cat >share.py <<'P'
import io
import torch
from torch import nn

torch.manual_seed(0)
torch.set_grad_enabled(False)

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 8)
        self.register_buffer("state", torch.zeros(1, 8))

    def forward(self, x):
        self.state = self.cell(x, self.state)
        return self.state.clone()

def largest(module):
    return module.state.abs().max().item()

def loaded(program):
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    return torch.export.load(file).module()

module = Recurrent()
program = torch.export.export(module, (torch.zeros(1, 4),))
tried = program.module()
tried(torch.randn(1, 4))
found = largest(module), largest(program.module()), largest(loaded(program))
tried.state.zero_()
mended = largest(loaded(program))
print(f"after one step of the program: the module's {found[0]:.2g}, of another .module() {found[1]:.2g},",
      f"loaded from a file {found[2]:.2g}; set to zero and saved: {mended:.2g}")
assert found[0] == found[1] == found[2] > 0 and mended == 0
P
python share.py 2>err || { tail -n 3 err; false; }
verdict $?
