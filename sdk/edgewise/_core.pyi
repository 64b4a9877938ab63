"""The C++ core. Its errors are those of `edgewise.errors`; all its objects are thread-safe."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

Architecture: TypeAlias = str | Mapping[str, Any]
"""As its space writes it: a string, or where that is a JSON object, a dict too."""

Architectures: TypeAlias = Architecture | Iterable[Architecture] | NDArray[np.integer[Any]]
"""One architecture, several, or their codes as integers of shape (N, code length)."""

BUNDLE_FORMAT: int
"""The newest bundle format that the core reads, and the one that is written."""

@final
class Bundle:
    """A bundle, its structure checked when opened, each tensor's bytes when first asked for.

    Every fault is a `BundleError` that names the file (or the label) and the cause.
    """

    @staticmethod
    def open(path: str | bytes, kind: str = "") -> Bundle:
        """Map the file at `path`; with `kind`, refuse a bundle of any other kind."""

    @staticmethod
    def from_bytes(data: bytes, label: str, kind: str = "") -> Bundle:
        """Copy `data`; `label` stands for the file's name in messages."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def manifest(self) -> str:
        """The manifest as JSON text."""

    @property
    def file_bytes(self) -> int: ...
    def names(self) -> list[str]:
        """The tensors in file order, padding left out."""

    def __contains__(self, name: str) -> bool: ...
    def deflated(self, name: str) -> bool:
        """Whether the tensor is stored as a zlib stream."""

    def stored_bytes(self, name: str) -> int:
        """Bytes in the file: less than the tensor has if it borrows."""

    def tensor(self, name: str) -> NDArray[Any]:
        """A read-only view of the tensor, which keeps the bundle alive."""

    def verify(self) -> None:
        """Check the bytes of every tensor now."""

@final
class Kernel:
    """One step of a network. What is no image has height 1."""

    @property
    def op(self) -> str:
        """conv, conv_transpose, linear, matmul, relu, hard_swish, hard_sigmoid, sigmoid,
        activation, batch_norm, layer_norm, softmax, avg_pool, max_pool, global_avg_pool, identity,
        zero, add, mul, concat, slice, transpose, reshape, pad, resize or other.

        A `conv` has its batch norm folded in; `zero` is the operation `none`, run as x * 0.
        """

    @property
    def activation(self) -> str:
        """The operation applied to the result in the same pass; identity when there is none."""

    @property
    def batch(self) -> int: ...
    @property
    def height(self) -> int:
        """Of the first input."""

    @property
    def width(self) -> int: ...
    @property
    def in_channels(self) -> int:
        """Of the first input; of a concat, of all together."""

    @property
    def out_height(self) -> int: ...
    @property
    def out_width(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def kernel_height(self) -> int:
        """Of the window."""

    @property
    def kernel_width(self) -> int: ...
    @property
    def stride(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def element_bytes(self) -> int:
        """4 for float32, 2 for float16, 1 for int8."""

    @property
    def inputs(self) -> list[int]:
        """Kernels whose results it reads, by index in the graph; constants are left out.

        -1 is the network's input, -2 its second, and so on.
        """

    @property
    def position(self) -> tuple[int, int, int]:
        """(stage, cell within the stage, edge within the cell); -1 where a level does not apply.

        Of an addition, the edge is the one whose result it adds.
        """

    @property
    def macs(self) -> float:
        """Multiply-accumulates; 0 unless a matrix is multiplied."""

    @property
    def input_bytes(self) -> float:
        """Read, weights left out."""

    @property
    def output_bytes(self) -> float: ...
    @property
    def weight_bytes(self) -> float:
        """Of the learnt matrix; biases are left out."""

    @property
    def bytes(self) -> float:
        """Bytes of inputs, outputs and weights."""

@final
class Space:
    """A space of architectures. Immutable; `get_space` returns the same object each time."""

    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int:
        """The number of architectures; 0 when there are too many to list."""

    @property
    def choices(self) -> list[list[int]]:
        """For each code, the values it may take, ascending."""

    @property
    def semantics(self) -> list[str]:
        """What a runtime may execute of an architecture, least pruned first."""

    def parse(self, arch: Architecture) -> str:
        """The canonical string of `arch`; `ArchitectureError` gives the position of a fault."""

    def encode(self, archs: Architectures) -> NDArray[np.uint8]:
        """Codes, (N, code length); N is 1 for a single architecture.

        Equal networks have equal codes. Codes given as an array are checked, and returned as they
        are when they are contiguous uint8 and canonical already. `ArchitectureError` names the
        architecture, or the row and the position, that is wrong.
        """

    def decode(self, codes: ArrayLike) -> list[str]:
        """The canonical strings of integer codes of shape (N, code length) or (code length,)."""

    def canonical(self, codes: ArrayLike) -> NDArray[np.uint8]:
        """Codes that were each drawn from `choices`, (N, code length), made architectures.

        Codes of what a network leaves out become the first choice; codes that do not go together
        (transformer: a sum that its layers cannot have) others that do. `ArgumentError` names the
        row and position of a code that is none of its choices.
        """

    def architectures(self) -> list[str]:
        """All architectures, canonical, in lexicographic order of their codes.

        `ArgumentError` when there are too many to list; then draw some.
        """

    def draw(self, count: int, seed: int) -> NDArray[np.uint8]:
        """Codes, (count, code length), of different architectures, each code drawn evenly.

        The same seed gives the same on every machine. `ArgumentError` for more than there are.
        """

    def connected(self, arch: Architecture) -> bool:
        """Whether anything flows from input to output; otherwise the answer is a constant."""

    def lower(self, arch: Architecture, semantics: str = "live") -> list[Kernel]:
        """The kernels in execution order; `ArgumentError` for unknown semantics.

        Nothing remains under "live" of a network without a path from input to output: its answer
        is a constant.
        """

    def flops(self, arch: Architecture, semantics: str = "live") -> float:
        """Multiply-accumulates x 2 of the kernels that `lower` gives."""

    def memory(
        self, archs: Architectures, semantics: str = "live"
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Peak bytes of activations and bytes of weights, (N,) each, at batch 1 and float32.

        At every step of the kernels that `lower` gives, the results count that are still to be
        read, the step's own, and the network's input while it is needed; identities and reshapes
        take nothing. Biases are left out of the weights, as in `Kernel.weight_bytes`.
        """

def memory(kernels: list[Kernel]) -> tuple[int, int]:
    """Peak bytes of activations and bytes of weights of a graph, as `Space.memory` counts them.

    `ArgumentError` when a kernel reads the result of a later one.
    """

def space_names() -> list[str]:
    """The names that `get_space` takes."""

def get_space(name: str) -> Space:
    """The space of that name; `ArgumentError` lists the names otherwise."""

@final
class ModelFile:
    """A network out of a TFLite or ONNX file, lowered to kernels. Immutable."""

    @property
    def label(self) -> str:
        """The path, or what stands for it."""

    @property
    def format(self) -> str:
        """tflite or onnx."""

    @property
    def inputs(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and shape of each input, as in the file; an unknown batch is 1."""

    @property
    def kernels(self) -> list[Kernel]:
        """What a runtime executes, in order: constants folded, neighbours fused.

        Empty when the answer does not depend on any input.
        """

    @property
    def unknown(self) -> list[str]:
        """The operators that no kernel describes (`op` is other), each once."""

    @property
    def macs(self) -> float:
        """Multiply-accumulates of one run."""

    @property
    def weight_bytes(self) -> float:
        """Of the matrices multiplied; biases are left out."""

def read_model(path: str | bytes) -> ModelFile:
    """Read the `.tflite` or `.onnx` file at `path`; its content tells the format.

    `ModelFileError` names the file, the cause and the cure: it cannot be read, is damaged or of
    another format, or an input has an unknown size other than its batch.
    """

def read_model_bytes(data: bytes, label: str) -> ModelFile:
    """The same of a model in memory; `label` stands for the file's name."""

@final
class AdaptedLatency:
    """The `edgewise` predictor of one device. Immutable."""

    def predict(self, archs: Architectures, confidence: float = 0.9) -> tuple[Any, Any, Any]:
        """(ms, low, high): floats of one architecture, (N,) float64 of a sequence."""

    @property
    def embedding(self) -> NDArray[np.float64]:
        """(P,) expected cost in ms of each feature."""

    @property
    def noise(self) -> float: ...
    @property
    def semantics(self) -> dict[str, float]:
        """Probability of each graph semantics that is still believed."""

    def next_reference(self, candidates: Architectures) -> int:
        """Index of the candidate whose timing would teach most."""

@final
class LatencyPrior:
    """The `edgewise` predictor before a device is timed; the sizes are those of latency.hpp."""

    def __init__(
        self,
        *,
        space: Space,
        semantics: list[str],
        semantics_log_weight: ArrayLike,
        execution: ArrayLike,
        mean: ArrayLike,
        factors: ArrayLike,
        factor_variance: ArrayLike,
        own_variance: ArrayLike,
        covariance_log_weight: ArrayLike,
        noise: ArrayLike,
        noise_log_weight: ArrayLike,
        floor: float,
        interval_scale: float,
    ) -> None: ...
    @staticmethod
    def load(space: Space, bundle: Bundle) -> LatencyPrior:
        """Read the tensors "edgewise.*"; `BundleError` names what is missing or wrong."""

    def adapt(self, archs: Architectures, ms: ArrayLike, unsteady: float = 0.0) -> AdaptedLatency:
        """Adapt to timings in ms, (N,); `ArgumentError` for too few or an unusable one.

        `unsteady`, the relative standard deviation of the device's speed, widens every interval.
        """

    def design(self, candidates: Architectures, count: int) -> list[int]:
        """Indices of the `count` candidates to time, the most telling first."""

    @property
    def minimum_samples(self) -> int: ...

def execution_table(space: Space, semantics: str) -> NDArray[np.float64]:
    """(patterns, positions): the share of each operation that runs, by pattern of `none`."""

def features(space: Space, archs: Architectures, execution: ArrayLike) -> NDArray[np.float64]:
    """(N, P) features of architectures under an execution table."""

@final
class FeatureColumn:
    """What a feature stands for."""

    @property
    def name(self) -> str:
        """E.g. nor_conv_3x3@1<-0; "network" is what nothing else accounts for."""

    @property
    def kind(self) -> str:
        """count: how often its part of a network occurs; size: the same, each by its
        multiply-accumulates relative to those at a middle resolution; network: what every
        architecture has.
        """

    @property
    def kernels(self) -> list[Kernel]:
        """Of the part, at a middle resolution; empty where they are of many sizes."""

def feature_columns(space: Space) -> list[FeatureColumn]:
    """The P features of a space."""

@final
class AdaptedNetwork:
    """A device as it predicts networks of no space. Immutable."""

    def predict(
        self, features: ArrayLike, confidence: float = 0.9
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """(ms, low, high), (N,) each, of networks with `features` (N, C)."""

    @property
    def prices(self) -> NDArray[np.float64]:
        """(C,) expected ms of a unit of each of `network_columns`."""

@final
class NetworkPrior:
    """Prices of kernels before a device is timed."""

    @staticmethod
    def load(bundle: Bundle) -> NetworkPrior:
        """Read the tensors "network.*"; `BundleError` names what is missing or wrong."""

    def adapt(
        self,
        features: ArrayLike,
        ms: ArrayLike,
        alike: int | None = None,
        unsteady: float = 0.0,
    ) -> AdaptedNetwork:
        """Adapt to networks with `features` (N, C) that took `ms` (N,); the first `alike` (all) are
        of one space, and each other has a misfit of its own. `ArgumentError` for fewer than two or
        an unusable timing."""

def network_columns() -> list[str]:
    """The C things that kernels ask for: millions of multiply-accumulates, megabytes, counts."""

def network_features(kernels: list[Kernel]) -> NDArray[np.float64]:
    """(C,) what the kernels of a network ask for."""

def resize(images: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Pictures (N, H, W, 1 to 4 channels) as (N, height, width, channels), proportions not kept.

    Bilinear, with a triangle as wide as the shrinking asks for; the same bytes on every machine.
    `ArgumentError` for another shape or dtype, or a side that is not 1 to 65,536 pixels.
    """

@final
class Background:
    """Directions of the classes that an embedder learnt from: what any picture is somewhat like."""

    def __init__(
        self, rows: NDArray[np.int8], scales: NDArray[np.float32], share: float, nearest: int
    ) -> None:
        """Row i of `rows` (N, dim) times scale i, (N,), is a unit vector.

        `ArgumentError` for other shapes or dtypes, rows of another length, a share that is not from
        0 to below 1, and a `nearest` that is not 1 to N.
        """

    @property
    def dim(self) -> int: ...
    def level(self, embeddings: ArrayLike) -> NDArray[np.float64]:
        """(N,): the share times the mean of the nearest cosines, as `nearest` computes them."""

@final
class Prototypes:
    """Few-shot classes, each the mean of its examples' embeddings. They may change at any time."""

    def __init__(self, dim: int, metric: str) -> None:
        """No classes yet; `metric` is cosine or euclidean, else `ArgumentError`."""

    @staticmethod
    def restore(metric: str, labels: list[str], examples: ArrayLike, sums: ArrayLike) -> Prototypes:
        """The classes that `snapshot` gave; `ArgumentError` names what cannot be a class."""

    @property
    def dim(self) -> int: ...
    @property
    def metric(self) -> str: ...
    def add(self, label: str, embeddings: ArrayLike) -> None:
        """Add examples (N, dim) to a class, new or not: all, or with `ArgumentError` none.

        Refused are N = 0, values that are not finite and, for cosine, an embedding of zeros.
        """

    def remove(self, label: str) -> bool:
        """False when there is no such class."""

    @property
    def labels(self) -> list[str]:
        """In the order of their first examples."""

    def snapshot(self) -> tuple[list[str], NDArray[np.int64], NDArray[np.float64]]:
        """(labels, examples (C,), sums (C, dim)); for cosine the sums are of unit vectors."""

    def score(self, embeddings: ArrayLike) -> tuple[list[str], NDArray[np.float64]]:
        """(labels, scores (N, C)) of embeddings (N, dim): cosine, or minus squared distance."""

    def classify(
        self,
        embeddings: ArrayLike,
        temperature: float,
        threshold: float,
        background: Background | None = None,
    ) -> tuple[list[str], list[float], list[bool]] | None:
        """What `judge` says of `score`: the best label of each, its probability, unknown or not.

        With a background, its level is taken off the best score before that is held against the
        threshold; `ArgumentError` for one of another dim, or where scores are no cosines. None when
        there are no classes.
        """

def judge(
    scores: ArrayLike, temperature: float, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]:
    """What scores (N, C) say: (best (N,), its probability (N,), unknown (N,), all (N, C)).

    Probabilities are softmax(temperature * score); unknown is a best score below the threshold.
    `ArgumentError` when C is 0, a score is not finite, or a constant is unusable.
    """

def nearest(
    index: NDArray[np.int8],
    scales: ArrayLike,
    query: ArrayLike,
    k: int,
    mask: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k rows of the largest cosine with a query: (rows, cosines), best first.

    Row i of the index (N, dim) times scale i, (N,), is a unit vector; the query (dim,) may have
    any length, and is rounded to 8 bits too. Of equal cosines the lower row is first; fewer than k
    where the mask (N,) allows fewer. `ArgumentError` for other shapes or dtypes, and what is not
    finite.
    """
