"""The files of examples/many-machines are what SLURM, a shell and Kubernetes take."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from imlgcn.cli import commands

FOLDER = Path(__file__).parents[2] / "examples" / "many-machines"
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}
TEXTS = {"type": "array", "items": {"type": "string"}}
QUANTITY = {"type": ["string", "integer"], "pattern": "^[0-9.]+([KMGT]i?|m)?$"}


def thing(required: str = "", **properties) -> dict:
    """Return the schema of an object that has no other properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


# the part of the API that is used here, as its reference has it (batch/v1 Job, v1 Service)
VOLUME = {
    **thing(
        "name",
        name=NAME,
        persistentVolumeClaim=thing("claimName", claimName=NAME),
        emptyDir=thing(medium={"enum": ["", "Memory"]}, sizeLimit=QUANTITY),
    ),
    "minProperties": 2,
}
FIELD = thing("fieldRef", fieldRef=thing("fieldPath", fieldPath={"type": "string"}))
VARIABLE = {
    **thing("name", name={"type": "string"}, value={"type": "string"}, valueFrom=FIELD),
    "minProperties": 2,
    "maxProperties": 2,
}
CONTAINER = thing(
    "name image",
    name=NAME,
    image={"type": "string"},
    command=TEXTS,
    args=TEXTS,
    env={"type": "array", "items": VARIABLE},
    resources=thing(limits={"type": "object", "additionalProperties": QUANTITY}),
    volumeMounts={
        "type": "array",
        "items": thing("name mountPath", name=NAME, mountPath={"type": "string"}),
    },
)
POD = thing(
    "containers restartPolicy",
    subdomain=NAME,
    restartPolicy={"enum": ["Never", "OnFailure"]},
    terminationGracePeriodSeconds={"type": "integer", "minimum": 0},
    containers={"type": "array", "items": CONTAINER, "minItems": 1},
    volumes={"type": "array", "items": VOLUME},
)
COUNT = {"type": "integer", "minimum": 1}
METADATA = thing("name", name=NAME)
JOB = thing(
    "apiVersion kind metadata spec",
    apiVersion={"const": "batch/v1"},
    kind={"const": "Job"},
    metadata=METADATA,
    spec=thing(
        "template",
        completionMode={"enum": ["NonIndexed", "Indexed"]},
        completions=COUNT,
        parallelism=COUNT,
        backoffLimit={"type": "integer", "minimum": 0},
        template=thing("spec", spec=POD),
    ),
)
SERVICE = thing(
    "apiVersion kind metadata spec",
    apiVersion={"const": "v1"},
    kind={"const": "Service"},
    metadata=METADATA,
    spec=thing(
        "selector",
        clusterIP={"type": "string"},
        publishNotReadyAddresses={"type": "boolean"},
        selector={"type": "object", "additionalProperties": {"type": "string"}},
    ),
)


def documents() -> list[dict]:
    return list(yaml.safe_load_all((FOLDER / "train-job.yaml").read_text()))


def test_the_job_and_its_service_fit_the_schema_of_kubernetes():
    jsonschema = pytest.importorskip("jsonschema")
    service, job = documents()
    jsonschema.validate(service, SERVICE)
    jsonschema.validate(job, JOB)
    job["spec"]["template"]["spec"]["container"] = []
    with pytest.raises(jsonschema.ValidationError, match="container"):
        jsonschema.validate(job, JOB)


def test_the_pods_of_the_job_find_each_other_and_their_volumes():
    service, job = documents()
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    values = {each["name"]: each.get("value") for each in container["env"]}
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert values["MASTER_ADDR"] == f"{name}-0.{service['metadata']['name']}"
    assert pod["subdomain"] == service["metadata"]["name"]
    nodes, processes = (
        int(re.search(rf"--{option} (\d+)", container["args"][0])[1])
        for option in ("nodes", "processes-per-node")
    )
    assert job["spec"]["parallelism"] == job["spec"]["completions"] == nodes
    assert container["resources"]["limits"]["nvidia.com/gpu"] == processes
    volumes = {each["name"] for each in pod["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == volumes


@pytest.mark.parametrize("name", ["train.sbatch", "train-torchrun.sh"])
def test_the_scripts_parse_and_their_options_are_known(name):
    subprocess.run(["bash", "-n", str(FOLDER / name)], check=True)
    text = (FOLDER / name).read_text().replace("\\\n", " ")
    (call,) = re.findall(r"imlgcn train (.*)", text)
    words = [word for word in call.split() if word not in ("$resume", '"$@"')]
    command = typer.main.get_command(commands("train")).commands["train"]
    assert command.make_context("train", words).params["fine_tune"] is True


def test_the_batch_script_asks_for_as_many_tasks_as_gpus():
    options = dict(re.findall(r"#SBATCH --([a-z-]+)=(\S+)", (FOLDER / "train.sbatch").read_text()))
    assert options["ntasks-per-node"] == options["gpus-per-node"]
    assert options["signal"].startswith("TERM@"), "the state is saved before the time is over"
