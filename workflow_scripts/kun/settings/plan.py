"""What `snakemake plan` looks at."""

from pydantic import Field

from kun.settings.base import Section


class Plan(Section):
    sample: int = Field(2000, ge=20, description="records that are read of each source")
    seed: int = Field(1, description="another number, another sample")
    pilot: int = Field(
        256,
        ge=8,
        description="texts that `snakemake pilot` sends through the models, so that the plan need not assume what they do",
    )
    device: str | None = Field(
        None,
        description="what the models will run on, as config/speeds.yaml names it; null: cpu where jobs ask for no GPU, else H100",
    )
    speeds: list[str] = Field(
        ["config/speeds.yaml"],
        description="tables of speeds; add an earlier run's report/speeds.yaml to plan by what it measured. What the first one assumes counts",
    )
