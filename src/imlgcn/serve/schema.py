"""Schemas of the responses, for the API's description only: responses are built by hand, faster."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class ErrorBody(BaseModel):
    """What went wrong."""

    code: str = Field(description="for programs; does not change")
    message: str = Field(description="a sentence for people")


class WholeError(ErrorBody):
    """What went wrong with a whole request."""

    request_id: str = Field(description="as in the header X-Request-ID and the server's log")


class ErrorAnswer(BaseModel):
    """The one shape of every error."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "code": "not_an_image",
                    "message": "notes.txt: is not an image of a known format (JPEG, PNG, ...)",
                    "request_id": "5f0c9d1e2b7a4c3d8e6f0a1b",
                }
            }
        }
    )
    error: WholeError


class TagItem(BaseModel):
    """A tag; both numbers are fractions. A parent may be below its own threshold."""

    label: str
    name: str | None = Field(None, description="what users read, where it is not the label")
    probability: float = Field(description="calibrated")
    threshold: float


class ImageTags(BaseModel):
    """One image: its tags, most probable first, or why it has none."""

    name: str = Field(description="as the form calls it; empty for a raw body")
    tags: list[TagItem] | None = None
    probabilities: list[float] | None = Field(
        None, description="of every label in the order of /v1/labels; with all=true"
    )
    logits: list[float] | None = Field(None, description="of every label; with logits=true")
    known: dict[str, int] | None = Field(None, description="the labels that were given as known")
    error: ErrorBody | None = Field(None, description="when other images of the request are fine")


class TagsAnswer(BaseModel):
    """One entry for each image, in the order of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "images": [
                    {
                        "name": "beach.jpg",
                        "tags": [{"label": "sea", "probability": 0.93, "threshold": 0.41}],
                    }
                ]
            }
        }
    )
    images: list[ImageTags]


class LabelItem(BaseModel):
    """A label, its threshold, and the number of held-out images with it."""

    label: str
    threshold: float
    positives: int
    name: str | None = Field(None, description="what users read, where it is not the label")
    show: bool = Field(True, description="false: never among the tags")
    parents: list[str] | None = Field(None, description="given with it, always")
    exclusive: str | None = Field(None, description="a set of which one label is given at most")


class LabelsAnswer(BaseModel):
    """All labels, in the order of every array with one value per label."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"labels": [{"label": "sea", "threshold": 0.41, "positives": 37}]}
        }
    )
    labels: list[LabelItem]


class MapsAnswer(BaseModel):
    """The activation maps of one image."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "kind": "score",
                "meaning": "what each place adds to the label's score",
                "region": [0.0, 0.125, 1.0, 0.875],
                "maps": {"sea": [[0.1, 0.2], [0.8, 1.0]]},
                "where": {"sea": "lower right, 25 % of the image"},
            }
        }
    )
    kind: str
    meaning: str
    region: list[float] = Field(
        description="left, top, right, bottom of the image within what the maps cover"
    )
    maps: dict[str, list[list[float]]] = Field(description="label -> rows, 0 to 1")
    where: dict[str, str] = Field(description="label -> where its map is strong, in words")


class SupportImageItem(BaseModel):
    """A training image and what it adds to a label's score."""

    name: str = Field(description="as the data set writes it")
    effect: float
    present: bool | None = Field(description="whether it shows the label; null: not known")
    thumbnail: str | None = Field(description="a data URL, if the tagger keeps small pictures")


class SupportItem(BaseModel):
    """A label's score as a sum; its parts, in two decimals, add up to it."""

    score: float = Field(description="before calibration")
    bias: float = Field(description="the score without any training image")
    speaks_for: list[SupportImageItem] = Field(alias="for", description="the strongest first")
    against: list[SupportImageItem]
    rest: float = Field(description="what all other training images add")
    others: int = Field(description="how many these are")


class SupportAnswer(BaseModel):
    """The training images that decide about the labels of one image."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "meaning": "what each training image adds to the label's score, ...",
                "support": {
                    "sea": {
                        "score": 0.92,
                        "bias": 0.05,
                        "for": [
                            {"name": "a.jpg", "effect": 0.7, "present": True, "thumbnail": None}
                        ],
                        "against": [],
                        "rest": 0.17,
                        "others": 1999,
                    }
                },
            }
        }
    )
    meaning: str
    support: dict[str, SupportItem] = Field(description="label -> the account of its score")


class Facts(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(extra="allow")


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of error answers."""
    return {status: {"model": ErrorAnswer, "description": ERRORS[status]} for status in statuses}


ERRORS = {
    400: "A body that does not match its content type.",
    401: "The server's token is missing or wrong.",
    403: "Not allowed from there, or not on this server.",
    404: "The tagger does not have this.",
    408: "The body arrives too slowly.",
    409: "The tagger folder does not allow it; the tagger in service stays as it is.",
    413: "Too many bytes.",
    415: "Not an image of a known format, or a content type that is not taken.",
    422: "A damaged image, too many pixels or images, or an invalid parameter.",
    503: "Busy or stopping; try again after the seconds in Retry-After.",
    504: "Not finished in time.",
}
IMAGE = {"schema": {"type": "string", "format": "binary"}}
BASE64 = {"type": "string", "description": "base64, or a data: URL in base64"}
IMAGES_JSON = {
    "oneOf": [
        {
            "type": "object",
            "properties": {"image": BASE64},
            "required": ["image"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"images": {"type": "array", "items": BASE64}},
            "required": ["images"],
            "additionalProperties": False,
        },
    ]
}
IMAGES_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One image as the body, or one or more as the files of a form, or in base64 "
        "as JSON.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "array", "items": IMAGE["schema"]}},
                }
            },
            "application/json": {"schema": IMAGES_JSON, "example": {"image": "/9j/4AAQSkZJRg..."}},
            "image/*": IMAGE,
            "application/octet-stream": IMAGE,
        },
    }
}
