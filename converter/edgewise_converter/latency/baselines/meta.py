"""HELP as a method of the evaluation, and MAML and Meta-SGD: HELP without its hardware embedding.

MAML keeps the rates of the inner loop fixed, Meta-SGD learns them (arXiv 1703.03400, 1707.09835).
"""

from __future__ import annotations

from dataclasses import dataclass

from edgewise_converter.latency.encodings.registry import help_inputs
from edgewise_converter.latency.help_network import NetworkConfig
from edgewise_converter.latency.help_predictor import HelpData
from edgewise_converter.latency.meta_training import TrainingConfig, kl_weight_of
from edgewise_converter.latency.methods import Adapter, Sources
from edgewise_converter.latency.protocols import Target
from edgewise_converter.latency.scoring import Estimate
from edgewise_converter.latency.train import train_help


@dataclass(frozen=True)
class MetaLearner:
    """One of the three.

    Attributes:
        name: for the command line.
        embedded: whether it reads a hardware embedding.
        learn_rates: whether the inner loop's rates are learnt.
        most_repetitions: each meta-training takes minutes; of the baselines a few tell enough.
    """

    name: str
    embedded: bool
    learn_rates: bool
    most_repetitions: int | None = None

    apart = False

    def config(self, sources: Sources) -> TrainingConfig:
        """What is trained on these sources."""
        size = len(sources.reference) if self.embedded else 0
        return TrainingConfig(
            network=NetworkConfig(size, columns=sources.encoding.columns),
            learn_rates=self.learn_rates,
            episodes=sources.episodes,
            samples=sources.samples,
            kl_weight=kl_weight_of(sources.space.name),
            seed=sources.seed,
        )

    def train(self, sources: Sources) -> Adapter:
        """Meta-train, or read what an earlier run left in the checkpoints."""
        inputs = help_inputs(sources.space, sources.codes)
        data = HelpData(
            table=sources.table,
            inputs=inputs,
            train=tuple(device for device in sources.train if device not in sources.valid),
            valid=sources.valid,
            domains=sources.domains,
            reference=sources.reference,
            protocol=sources.protocol,
        )
        label = f"{self.name}-seed{sources.seed}"
        trained = train_help(data, self.config(sources), sources.checkpoints, label)

        def adapt(target: Target) -> Estimate:
            return trained.help.estimate(inputs, target, sources.seed)

        return adapt


HELP = MetaLearner("help", embedded=True, learn_rates=True)
META_SGD = MetaLearner("meta-sgd", embedded=False, learn_rates=True, most_repetitions=3)
MAML = MetaLearner("maml", embedded=False, learn_rates=False, most_repetitions=3)
