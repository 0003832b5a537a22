"""The settings of a server, with the reason for each default."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from imlgcn.config import Settings
from imlgcn.serve.request_log import Style


class ServeSettings(Settings):
    """Limits and sizes of one server."""

    host: str = "127.0.0.1"  # this machine only: whoever reaches the port may use the tagger
    port: int = Field(8000, ge=0, le=65535)  # 0 = any that is free
    token: SecretStr | None = Field(None, min_length=16)  # that every request must bring
    no_token: bool = False  # whether other machines may use it without one
    cert: Path | None = None  # PEM file of a certificate (and its chain): answers over https
    key: Path | None = None  # PEM file of its key
    root_path: str = ""  # the path below which a proxy has it, such as /tags
    log: Style = "text"  # of the line that each request gets
    allow_hosts: tuple[str, ...] = ()  # host names, besides localhost and addresses
    max_batch: int = Field(4, ge=1, le=1024)  # images scored at once; a CPU gains nothing from more
    max_wait_ms: float = Field(2.0, ge=0, le=10_000)  # that a batch waits for images being decoded
    queue: int = Field(256, ge=1)  # images accepted and not yet answered; 503 beyond it
    max_bytes: int = Field(64_000_000, ge=1)  # of one request's body
    max_pixels: int = Field(100_000_000, ge=1)  # of one image: half a GB while it is decoded
    decode_seconds: float = Field(10.0, gt=0)  # of one image, as long as it takes its process
    decode_memory: int = Field(2**30, ge=2**26)  # bytes that decoding one image may take
    max_files: int = Field(64, ge=1)  # images of one request
    max_held: int = Field(1_000_000_000, ge=1)  # bytes of all bodies in memory; 503 beyond
    max_connections: int = Field(512, ge=1)  # open at once; beyond, one that waits makes room
    header_seconds: float = Field(10.0, gt=0)  # until the head of a request has arrived
    body_seconds: float = Field(10.0, gt=0)  # that a body may be behind its least rate
    body_rate: float = Field(50_000.0, gt=0)  # bytes a second, the least: a slow phone sends more
    grow: bool = False  # whether requests may change labels, in the tagger folder
    audit: str | None = None  # data whose doubtful labels are asked about at /audit
    label_studio: bool = False  # whether it answers as a machine-learning backend of Label Studio
    label_studio_url: str | None = None  # where images are fetched from: nowhere else
    label_studio_token: SecretStr | None = None  # of Label Studio, for its images
    label_studio_files: Path | None = None  # the folder that its local files are read below
    timeout: float = Field(60.0, gt=0)  # seconds from a request's headers to its response
