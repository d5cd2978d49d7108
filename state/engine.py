"""Where slots run, as a user writes it under `engine:`."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from state.schema import Section

MOST_STACKED = 16
EngineKind = Literal["local", "slurm", "ray", "lsf"]

# Options that nightfly sets itself, or that would break its bookkeeping of one job an attempt.
OWN_SBATCH = (
    *("-J", "--job-name", "-o", "--output", "-e", "--error", "-t", "--time", "-D", "--chdir", "-a", "--array"),
    *("-W", "--wait", "-H", "--hold", "--wrap", "--parsable", "--requeue", "--no-requeue", "--test-only", "--export"),
)
OWN_BSUB = ("-J", "-o", "-oo", "-e", "-eo", "-W", "-K", "-I", "-Is", "-Ip", "-r", "-cwd", "-H")


class Remote(Section):
    """What every scheduler has in common."""

    python: str | None = Field(
        None, pattern=r"^/[^\s]*$", description="interpreter on the compute nodes; default: the driver's own path"
    )
    poll_interval_s: float = Field(5.0, ge=0.1, le=600, description="one question for all jobs per interval")
    lost_after_s: float = Field(
        60.0, ge=0, description="a job that the scheduler no longer runs is lost when no exit file appears for so long"
    )


class CommandScheduler(Remote):
    """A scheduler that is driven by commands, here or on a login host."""

    login_host: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$",
        description="host or user@host that has the scheduler's commands and the same run directory; default: here",
    )
    ssh_options: list[str] = Field(default_factory=list, description="such as ['-p', '2222']; needs login_host")
    command_timeout_s: float = Field(30.0, gt=0, le=600, description="after this long a command counts as unanswered")
    options: list[str] = Field(default_factory=list, description="further options of the submit command")

    @model_validator(mode="after")
    def _ssh_needs_a_host(self) -> Self:
        if self.ssh_options and self.login_host is None:
            raise ValueError("ssh_options are given without login_host; add login_host or remove them")
        return self


class SlurmConfig(CommandScheduler):
    """sbatch, squeue and scancel (20.11 or newer)."""

    partition: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,-]*$")
    account: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    gres: str | None = Field("gpu:1", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:,=-]*$", description="null for none")

    @field_validator("options")
    @classmethod
    def _none_of_ours(cls, options: list[str]) -> list[str]:
        for option in options:
            if len(option) > 2 and option[0] == "-" != option[1]:
                raise ValueError(f"{option!r} is a short option with its value; write the long form such as --mem=16G")
        return _free_options(options, OWN_SBATCH, "--mem=16G")


class LsfConfig(CommandScheduler):
    """bsub, bjobs and bkill. Experimental: tried against stand-ins of these commands only."""

    queue: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    project: str | None = Field(None, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")
    gpu: str | None = Field("num=1", description="argument of bsub -gpu; null for none")

    @field_validator("options")
    @classmethod
    def _none_of_ours(cls, options: list[str]) -> list[str]:
        # Arguments stand in list items of their own, so only items that begin with a dash are options.
        _free_options([word for word in options if word.startswith("-")], OWN_BSUB, "-R")
        return options


class RayConfig(Remote):
    """The Jobs API of a running Ray cluster."""

    address: str = Field(
        "http://127.0.0.1:8265",
        pattern=r"^https?://[A-Za-z0-9_.\[\]:-]+$",
        description="the dashboard; it asks for no password, so reach it on loopback or through a tunnel",
    )
    num_gpus: float = Field(1.0, ge=0, description="of each slot")
    num_cpus: float = Field(1.0, ge=0, description="of each slot")
    poll_interval_s: float = Field(2.0, ge=0.1, le=600, description="one question for all jobs per interval")
    request_timeout_s: float = Field(10.0, gt=0, le=600, description="after this long a request counts as unanswered")


class EngineConfig(Section):
    """Where slots run. Not part of a campaign's identity."""

    kind: EngineKind = "local"
    slots_at_once: int | None = Field(
        None,
        ge=1,
        description="default: one a GPU, or one a core without a GPU; on a cluster as many as it takes; "
        "with stack it counts processes",
    )
    slots_per_gpu: int = Field(1, ge=1, le=16, description="local: several slots may share a GPU")
    gpu_gb_per_slot: float = Field(
        8.0, gt=0, description="local: free GPU memory (GiB) that each further slot on the same GPU needs"
    )
    stack: Literal["off", "auto"] | int = Field(
        "off",
        description="local: where slots outnumber the places, one process trains several side by side: at most so many "
        "(2 to 16); auto: on a GPU as many as gpu_gb_per_slot allows",
    )
    threads_per_slot: int | None = Field(None, ge=1, description="default: the cores shared evenly")
    retries: int = Field(
        2,
        ge=0,
        le=20,
        description="a slot lost through no fault of its config, such as a preempted one, is run again",
    )
    time_limit_min: float = Field(120.0, gt=0, description="a slot is ended after this long: TERM, then KILL")
    needs_gpu: bool = Field(
        False, description="without a GPU here, say how long a slot takes and start only with --on-cpu"
    )
    slurm: SlurmConfig | None = None
    ray: RayConfig | None = None
    lsf: LsfConfig | None = None

    @field_validator("stack", mode="before")
    @classmethod
    def _known_stack(cls, value: Any) -> Any:
        if value is False:  # what YAML makes of off
            return "off"
        whole = isinstance(value, int) and not isinstance(value, bool) and 2 <= value <= MOST_STACKED
        if not whole and value not in ("off", "auto"):
            raise ValueError(f"must be off, auto or a whole number from 2 to {MOST_STACKED}")
        return value

    @model_validator(mode="after")
    def _only_its_own_section(self) -> Self:
        for other in ("slurm", "ray", "lsf"):
            if other != self.kind and getattr(self, other) is not None:
                raise ValueError(f"section {other} is given but kind is {self.kind}; remove it, or set kind: {other}")
        if self.kind != "local" and self.slots_per_gpu != 1:
            raise ValueError(f"slots_per_gpu is for kind local, not {self.kind}; ask the scheduler for a share instead")
        if self.kind != "local" and self.stack != "off":
            raise ValueError(f"stack is for kind local, not {self.kind}; remove it")
        if self.retries == 0 and self.stack != "off":
            raise ValueError("stack needs retries: slots whose common process fails are run again; set it to 1 or more")
        return self


def _free_options(options: list[str], own: tuple[str, ...], example: str) -> list[str]:
    for option in options:
        if not option.startswith("-") or "\n" in option or "\0" in option:
            raise ValueError(f"{option!r} is not an option; write each as one word such as {example}")
        taken = next((name for name in own if _is(option, name)), None)
        if taken is not None:
            raise ValueError(f"{option!r} cannot be given, nightfly sets {taken} itself; remove it")
    return options


def _is(option: str, name: str) -> bool:
    """Whether ``option`` sets ``name``; long options may be abbreviated, short ones may carry their value."""
    word = option.split("=", 1)[0].split(maxsplit=1)[0]
    return word == name or (name.startswith("--") and len(word) > 2 and name.startswith(word))
