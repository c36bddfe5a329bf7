"""Configuration models shared by all agents: every key with its type, bounds, unit and source.

[F] marks the original's behaviour, the default; [C] a corrected variant, off by default. Sources
are sections of the specification of the original (algorithms.md, data.md, protocol.md of the study
this project started from), summarised in docs/agents.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

# YAML has no tuples: the list itself may be converted, its numbers may not.
Widths = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, strict=False)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


def distinct(items: Sequence[Any]) -> Sequence[Any]:
    """Validator: no item is listed twice."""
    for item in items:
        if items.count(item) > 1:
            raise ValueError(f"{item} is listed twice")
    return items


Writers = Annotated[
    tuple[Literal["tensorboard", "wandb"], ...], Field(strict=False), AfterValidator(distinct)
]

_WIDTHS = (1024, 1024, 1024, 1024)
SHARED = ("steps", "batch_size", "optimiser")  # a stage without its own takes the top level's


class Impossible(ValueError):
    """A value that does not go with another one; ``key`` is where it stands in the section."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Model(BaseModel):
    """Base of all sections: immutable, finite, unknown keys refused, nothing coerced.

    Only a whole number may stand where any number may.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, strict=True, allow_inf_nan=False
    )


class DataConfig(Model):
    """Which data, and how they are normalised."""

    source: Literal["fetch", "collect"] = Field(
        "fetch", description="released files, or episodes of the scripted oracle collected here"
    )
    train_episodes: Count = Field(1000, description="episodes to collect for training, of a shard")
    episode_length: Count = Field(1000, description="transitions of a collected episode")
    seed: int = Field(0, ge=0, description="seed of the collection")
    shards: Count = Field(
        1,
        description="files of the training set; collected ones have the seeds from data.seed on",
    )
    shard_schedule: Literal["uniform", "original"] = Field(
        "uniform",
        description="batches from all shards at once, or from one at a time as the original's; "
        "the same thing for a single file",
    )
    shard_interval: Count = Field(
        1000, description="original schedule: updates on a shard before the next one's turn"
    )
    normalizer: Literal["validation", "train", "none"] = Field(
        "validation", description="split whose range scales observations and goals; [F] validation"
    )
    precision: Literal["float32", "float16", "bfloat16"] = Field(
        "float32", description="in which the store keeps observations; [F] float32"
    )
    all_anchors: bool = Field(
        False, description="[C] use the two chunk starts per episode that the original leaves out"
    )


class OptimiserConfig(Model):
    """Adam, as all modules share it (algorithms.md 0.1)."""

    learning_rate: float = Field(3e-4, gt=0.0, description="per update")
    decay: Literal["constant", "linear", "cosine"] = Field(
        "constant", description="shape of the learning rate over the stage; [F] constant"
    )
    weight_decay: float = Field(0.0, ge=0.0, description="decoupled; [F] none")


class GoalMixture(Model):
    """Probabilities with which a goal is the current state, a later one of its episode, or any.

    What each of them draws is told in :mod:`mac.data.goals`.
    """

    current: Fraction
    trajectory: Fraction
    random: Fraction
    geometric: bool = Field(
        False, description="geometric distance along the trajectory instead of uniform"
    )
    even: bool = Field(
        False,
        description="[C] uniform distances all weigh the same; [F] both end points weigh half",
    )

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.current + self.trajectory + self.random
        if abs(total - 1.0) > 1e-6:
            raise ValueError(f"current + trajectory + random must be 1, found {total:g}")
        return self


class ValueGoals(GoalMixture):
    """Goals of the value functions: current state, uniform along the trajectory, or any."""

    current: Fraction = 0.2
    trajectory: Fraction = 0.5
    random: Fraction = 0.3
    geometric: bool = False


class ActorGoals(GoalMixture):
    """Goals of the behaviour policy: never the current state, geometric along the trajectory."""

    current: Fraction = 0.0
    trajectory: Fraction = 0.5
    random: Fraction = 0.5
    geometric: bool = True


class GoalsConfig(Model):
    """Goal sampling in goal mode (data.md 5.1)."""

    value: ValueGoals = ValueGoals()
    actor: ActorGoals = ActorGoals()
    negative: bool = Field(True, description="reward -1 until success; otherwise 1 at success")


class NetworkConfig(Model):
    """Networks of one kind."""

    hidden_dims: Widths = Field(_WIDTHS, description="widths of the hidden layers")
    layer_norm: bool = Field(True, description="normalise every hidden layer [F]")


class TargetConfig(Model):
    """Values that a target follows."""

    polyak_rate: float = Field(
        0.005, gt=0.0, le=1.0, description="rate at which the target value follows"
    )
    lagged_target: bool = Field(
        True, description="target follows the value from before the update [F]; after it [C]"
    )


class BootstrapConfig(TargetConfig):
    """Values that are learnt from values."""

    loss: Literal["squared", "bce"] = Field("squared", description="how values are read and fitted")


class StageConfig(NetworkConfig):
    """What every training stage has; None takes the shared value of the same name."""

    steps: Count | None = Field(None, description="updates of the stage")
    batch_size: Count | None = Field(None, description="rows of a batch")
    optimiser: OptimiserConfig | None = None


class SupervisedConfig(StageConfig):
    """A stage trained on data alone, which can be watched on held-out data."""

    validate_every: int = Field(
        0, ge=0, description="updates between held-out checks; 0 for none [F]"
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="weights kept at the end; [C] best on held-out data, each loss by itself",
    )

    @model_validator(mode="after")
    def _best_needs_checks(self) -> Self:
        if self.keep == "best" and not self.validate_every:
            raise Impossible("keep", "best needs validate_every > 0")
        return self


class ModelConfig(SupervisedConfig):
    """Action-chunk dynamics."""


class HeadsConfig(SupervisedConfig):
    """Reward regressor and success classifier."""


class BehaviourConfig(SupervisedConfig):
    """Behaviour policy over chunks."""

    policy: Literal["distilled_flow", "flow", "gaussian"] = Field(
        "distilled_flow", description="what proposes chunks"
    )
    flow_steps: Count = Field(10, description="K, Euler steps of the flow")
    squash: bool = Field(True, description="gaussian: a chunk is the tanh of a sample [F]")
    squash_mean: bool = Field(False, description="gaussian: the mean is the tanh of its head")
    state_dependent_std: bool = Field(
        True, description="gaussian: the spread depends on the state [F]; one free vector otherwise"
    )

    @model_validator(mode="after")
    def _only_a_gaussian_has_a_spread(self) -> Self:
        for key in ("squash", "squash_mean", "state_dependent_std"):
            changed = getattr(self, key) != type(self).model_fields[key].default
            if changed and self.policy != "gaussian":
                raise Impossible(key, f"means nothing to policy: {self.policy}, only to gaussian")
        return self


class ValueConfig(StageConfig, BootstrapConfig):
    """Value function and critic, trained on imagined rollouts."""

    critic_hidden_dims: Widths = Field(
        _WIDTHS, description="widths of Q; [F] the dynamics' setting"
    )
    rollout_length: Count = Field(10, description="H, imagined chunks")
    rollout_batch_size: Count | None = Field(
        1024, description="rows of the batch from which rollouts start; None for all"
    )
    td_lambda: Fraction = Field(1.0, description="lambda of the returns")
    num_candidates: Count = Field(8, description="N in rollouts")
    target_network: bool = Field(True, description="returns bootstrap from the target value [F]")
    corrected_critic: bool = Field(
        False, description="[C] under bce, decode the value in the critic's target"
    )
    checkpoint_every: Count | None = Field(
        None, description="updates between evaluated checkpoints; None for the last only"
    )

    @model_validator(mode="after")
    def _only_logits_are_decoded(self) -> Self:
        if self.corrected_critic and self.loss != "bce":
            raise Impossible("corrected_critic", f"means nothing to loss: {self.loss}, only to bce")
        return self


class EvaluateConfig(Model):
    """How a trained agent is played."""

    num_candidates: Count = Field(32, description="N when acting")
    execute_length: Count = Field(1, description="actions executed of each plan")
    episodes: Count = Field(50, description="episodes per task, seed and checkpoint")
    batch_width: Count = Field(25, description="environments stepped side by side")
    first_seed: int = Field(
        0, ge=0, description="offset of the episodes' seeds, to keep tuning apart from reporting"
    )
    value_horizon: Count | None = Field(
        None,
        description="environment steps for which an unsolved episode is followed beyond its limit, "
        "to know the return that its value estimate predicts; None measures no value error",
    )
    windows: Count = Field(15, description="windows of the model-error measurement")
    horizon: Count = Field(150, description="environment steps of the model-error measurement")


class ReportConfig(Model):
    """What the tables report."""

    checkpoint: Literal["last", "mean_last_3"] = Field(
        "last", description="rule fixed before the run: last checkpoint, or mean of the last three"
    )


class ComputeConfig(Model):
    """How computation is carried out; what changes results is fingerprinted."""

    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu or cuda"
    )
    threads: Count = Field(1, description="intra-op threads of a process")
    workers: Count = Field(1, description="processes stepping evaluation environments")
    precision: Literal["float32", "bf16"] = Field(
        "float32", description="of actor and critic inside rollouts; [F] float32"
    )
    tf32: bool = Field(False, description="matrix products of training in TF32 on a GPU; [F] False")
    store: Literal["auto", "device", "disk"] = Field(
        "auto",
        description="where training keeps its data: on the device or on disk, cached by memory; "
        "auto is the device if it is a GPU and they fit; batches are the same",
    )
    save_every_s: float = Field(60.0, gt=0.0, description="seconds between resumable saves")
    writers: Writers = Field(
        (), description="where a training's log goes beside metrics.csv; see docs/watch.md"
    )


class AgentConfig(Model):
    """A resolved configuration of one agent on one task; agents extend it with their own keys."""

    agent: str
    mode: Literal["reward", "goal"]
    data: DataConfig = DataConfig()
    schedule: Literal["staged", "joint"] = Field(
        "joint",
        description="all losses each step [F], or one stage after the other; one and the same for "
        "an agent of a single stage",
    )
    steps: Count = Field(1_000_000, description="updates, of the joint run and of each stage")
    discount: float = Field(0.999, gt=0.0, lt=1.0, description="gamma, per environment step")
    batch_size: Count = Field(1024, description="B")
    optimiser: OptimiserConfig = OptimiserConfig()
    goals: GoalsConfig = GoalsConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    report: ReportConfig = ReportConfig()
    compute: ComputeConfig = ComputeConfig()

    @classmethod
    def stage_sections(cls) -> tuple[str, ...]:
        """Sections of stages, which may have steps, batch size and optimiser of their own."""
        kinds = {name: info.annotation for name, info in cls.model_fields.items()}
        return tuple(
            name
            for name, kind in kinds.items()
            if isinstance(kind, type) and issubclass(kind, StageConfig)
        )

    @property
    def spans(self) -> dict[str, int]:
        """Environment steps of one episode that a row of a batch needs, by the key that says so."""
        return {"chunk_length": self.chunk_length}

    @property
    def lagged_target(self) -> bool:
        """Whether target networks follow the parameters from before the update [F]."""
        return getattr(getattr(self, "value", None), "lagged_target", True)

    @model_validator(mode="after")
    def _prefix_within_chunk(self) -> Self:
        if self.evaluate.execute_length > self.chunk_length:
            raise Impossible(
                "evaluate.execute_length",
                f"{self.evaluate.execute_length} exceeds chunk_length {self.chunk_length}",
            )
        return self

    @model_validator(mode="after")
    def _joint_is_one_training(self) -> Self:
        if self.schedule == "staged":
            return self
        for name in self.stage_sections():
            section = getattr(self, name)
            own = [k for k in SHARED if getattr(section, k) not in (None, getattr(self, k))]
            if getattr(section, "validate_every", 0):
                own.append("validate_every")
            if own:
                raise Impossible(
                    f"{name}.{own[0]}",
                    "schedule: joint trains all parts in one; only a stage has its own",
                )
        return self


class ChunksConfig(AgentConfig):
    """Configuration of an agent that learns from chunks of the data."""

    chunk_length: Count = Field(10, description="n, environment steps")
    chunk_reward: Literal["mean", "sum"] = Field(
        "mean", description="of the n discounted rewards; [F] mean"
    )
    task_masks: bool = Field(
        False, description="[C] reward mode's mask is 0 where the task is solved"
    )


class ChunkedConfig(ChunksConfig):
    """Configuration of the agents that share MAC's stages."""

    model: ModelConfig = ModelConfig()
    heads: HeadsConfig = HeadsConfig()
    behaviour: BehaviourConfig = BehaviourConfig()
    value: ValueConfig = ValueConfig()
