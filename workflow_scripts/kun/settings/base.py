"""What all sections share: unknown keys are errors and nothing changes after loading.

Digits in quotes count as numbers: `snakemake --config` hands over nested values as text.
"""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
