"""What a request for suggestions holds, and schemas of its responses."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from imlgcn.serve.limits import COUNT, FILE_NAME
from imlgcn.serve.schema import ErrorBody

BUDGET = 20


class ImageVector(BaseModel):
    """An image of the choice."""

    name: str = Field(max_length=FILE_NAME, description="another for each image")
    vector: str = Field(description="as /v1/vectors gives it")


class Wanted(BaseModel):
    """Images to choose from. Ordered by path, the choice is that of `imlgcn suggest`."""

    images: list[ImageVector]
    budget: int = Field(BUDGET, le=COUNT, description="how many to choose, 1 or more")
    rare: bool = Field(False, description="count an image more where rare labels are unsure")


class VectorItem(BaseModel):
    """What suggestions need of one image, or why there is nothing."""

    name: str = Field(description="as the form calls it")
    vector: str | None = Field(None, description="give it to /v1/suggest as it is")
    error: ErrorBody | None = None


class VectorsAnswer(BaseModel):
    """One entry for each image, in the order of the request."""

    images: list[VectorItem]


class SuggestionItem(BaseModel):
    """One image to label."""

    image: str = Field(description="its name")
    why: str = Field(description="in words")
    nearest: str | None = Field(description="the training image most like it, if names are kept")
    similarity: float | None = Field(description="to that image, 0 to 1")
    like: int = Field(description="how many other images of the request are like it")
    gain: float = Field(description="the fraction of what was unknown that goes with its label")


class SuggestAnswer(BaseModel):
    """The images to label, the most useful first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "images": [
                    {
                        "image": "a.jpg",
                        "why": "39 other images are like it; the nearest training image is similar",
                        "nearest": "beach.jpg",
                        "similarity": 0.66,
                        "like": 39,
                        "gain": 0.08,
                    }
                ],
                "considered": 249,
                "left_out": 0,
                "known": 3,
                "failed": {},
            }
        }
    )
    images: list[SuggestionItem]
    considered: int
    left_out: int
    known: int = Field(description="nearly the same as a training image: they need no label")
    failed: dict[str, str]
