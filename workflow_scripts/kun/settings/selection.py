"""Which documents become primary data."""

from pydantic import Field

from kun.settings.base import Section


class Primary(Section):
    max_tokens: int = Field(512, ge=1, description="longer texts are dropped (Kun: 512), in tokens of the label model")
    min_characters: int = Field(20, ge=1, description="shorter texts are dropped")
    min_han_share: float = Field(
        0.5, ge=0, le=1, description="least share of Han characters among a text's letters; below it is another language"
    )
