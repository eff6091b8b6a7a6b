"""What is delivered, and the report on it."""

from pydantic import Field

from kun.settings.base import Section


class Dataset(Section):
    name: str = Field("kun", description="its name in the card and in dataset_info.json")
    licence: str = Field("see the sources", description="what the card says about the licence")


class Report(Section):
    samples: int = Field(12, ge=0, description="pairs shown, chosen by content")
