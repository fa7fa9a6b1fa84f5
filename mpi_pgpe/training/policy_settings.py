"""The settings of the policy: rows of the table in settings.py, and the network that they describe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpi_pgpe.base.checks import check_flag
from mpi_pgpe.policies.activations import ACTIVATIONS, HIDDEN_ACTIVATIONS
from mpi_pgpe.policies.network import CELL_ACTIVATIONS, CELLS, PolicyShape
from mpi_pgpe.training import setting_checks as checks
from mpi_pgpe.training.setting import Follows, make_field

MLP = "mlp"


def _network(name: str, value: Any) -> str:
    """A kind of network, or the name of a class; whether there is one of this name is looked at later."""
    module, colon, path = value.partition(":") if isinstance(value, str) else ("", "", "")
    if value in (MLP, *CELLS) or (colon and module.strip() and path.strip()):
        return str(value)
    raise ValueError(f"{name}: expected {', '.join([MLP, *CELLS])}, or module:Class of your own, got {value!r:.100}")


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """The settings that describe the policy's network."""

    # fmt: off
    policy: str = make_field(
        MLP, _network, "policy",
        "kind of the hidden layers: mlp, or recurrent ones: rnn, gru, lstm; or one's own network, module:Class",
        before=MLP,
        aliases=("network", "policy_type"),
    )
    hidden: Sequence[int] | None = make_field(
        None, checks.or_none(checks.layer_sizes), "policy",
        "units in each hidden layer, such as 64,32; []: a linear policy; None: num_hidden layers of hidden_size",
        aliases=("hidden_sizes", "net_arch"), before=None,
    )
    hidden_size: int | None = make_field(
        Follows("64 if hidden is None and ':' not in (policy or '') else None"),
        checks.or_none(checks.layer_size), "policy",
        "units in a hidden layer; 0: a linear policy", aliases=("num_units", "hidden_units"),
    )
    num_hidden: int | None = make_field(
        Follows("1 if hidden is None and ':' not in (policy or '') else None"), checks.or_none(checks.layers), "policy",
        "hidden layers; 0: a linear policy", aliases=("num_layers", "hidden_layers"),
    )
    activation: str = make_field(
        "tanh", checks.one_of(*HIDDEN_ACTIVATIONS), "policy",
        f"what follows each hidden layer: {', '.join(HIDDEN_ACTIVATIONS)}", aliases=("nonlinearity",), before="tanh",
    )
    output_activation: str = make_field(
        "identity", checks.one_of(*ACTIVATIONS), "policy",
        "what follows the last layer: one of these, or identity for nothing", before="identity",
    )
    bias: bool = make_field(
        True, check_flag, "policy", "whether the layers have biases", aliases=("use_bias",), before=True,
    )

    # fmt: on
    @property
    def own(self) -> str | None:
        """The name of the class of one's own network, if it is one."""
        return self.policy if ":" in self.policy else None

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of the policy's hidden layers."""
        if self.hidden is not None:
            return tuple(self.hidden)
        return (self.hidden_size,) * (self.num_hidden or 0) if self.hidden_size else ()

    def shape(self, observation_size: int, action_size: int) -> PolicyShape:
        """The network for observations and actions of these sizes, unless it is one's own."""
        cell = None if self.policy == MLP else self.policy
        network = self.widths, self.activation, self.output_activation, self.bias, cell
        return PolicyShape(observation_size, action_size, *network)

    def check_policy(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ValueError: something does.
        """
        size, number = self.hidden_size, self.num_hidden
        if self.own is not None:
            usual: dict[str, Any] = {"hidden": None, "hidden_size": None, "num_hidden": None}
            usual |= {"activation": "tanh", "output_activation": "identity", "bias": True}
            for name, value in usual.items():
                if getattr(self, name) != value:
                    raise ValueError(
                        f"{name}: means nothing with policy={self.policy}, which says itself what its layers are; got "
                        f"{getattr(self, name)!r}"
                    )
            return
        if self.hidden is None:
            for name, value in (("hidden_size", size), ("num_hidden", number)):
                if value is None:
                    raise ValueError(f"{name}: expected a whole number of at least 0 where hidden is None, got None")
        else:
            of_this_size = size is None or all(width == size for width in self.hidden)
            so_many = number is None or number == len(self.hidden) or (size == 0 and not self.hidden)
            if not (of_this_size and so_many):
                other = " ".join(
                    f"{n}={v}" for n, v in (("hidden_size", size), ("num_hidden", number)) if v is not None
                )
                raise ValueError(
                    f"hidden: expected widths that agree with {other}, got {list(self.hidden)}; set one alone"
                )
        if self.policy != MLP:
            if not self.widths:
                raise ValueError(
                    f"policy: expected a hidden layer that can be of the kind {self.policy}, got a linear policy; "
                    "set hidden=WIDTH,..."
                )
            possible = CELL_ACTIVATIONS[self.policy]
            if self.activation not in possible:
                raise ValueError(
                    f"activation: expected {' or '.join(possible)} with policy={self.policy}, got {self.activation!r}"
                )
        if not self.widths and self.activation != "tanh":
            raise ValueError(
                f"activation: expected a hidden layer that {self.activation} can follow, got a linear policy; "
                "set hidden=WIDTH,..."
            )
