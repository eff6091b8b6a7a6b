"""What jobs ask for; a cluster's profile maps it to partitions."""

from pydantic import Field

from kun.settings.base import Section


class Resources(Section):
    gpus_training: int = Field(0, ge=0, description="GPUs of a training job on each of its nodes; 0: on the CPU")
    nodes_training: int = Field(1, ge=1, description="nodes of a training job")
    gpu_gigabytes: float | None = Field(
        None, gt=0, description="memory of a GPU; a training that cannot fit is then refused before it is queued"
    )
    checkpoint_minutes: float = Field(
        30, gt=0, description="a training keeps what it has so often, to go on from there if it is ended"
    )
    gpus_completions: int = Field(
        0, ge=0, description="GPUs of a label, score or polish job, and of one that measures causal perplexity"
    )
    memory_megabytes: int = Field(8000, ge=500, description="memory of a job with a language model; it doubles with each attempt")
    minutes: int = Field(240, ge=1, description="time of a job with a language model; it doubles with each attempt")
