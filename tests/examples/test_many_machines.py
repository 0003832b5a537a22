"""The examples for SLURM and Kubernetes: their form, and that they fit what `imlgcn` does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
import typer
import yaml

from imlgcn.cli import commands
from imlgcn.prediction import merge_predictions
from imlgcn.prediction.shards import Shard

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMA = json.loads(Path(__file__).with_name("kubernetes.json").read_text(encoding="utf-8"))
MARGIN = 10  # seconds to end in, beyond those that are waited for


def documents(name):
    text = (EXAMPLES / "kubernetes" / name).read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def check(document):
    schema = SCHEMA | {"$ref": f"#/$defs/{document['kind']}", "required": ["apiVersion", "kind"]}
    jsonschema.Draft202012Validator(schema).validate(document)


@pytest.mark.parametrize("name", ["tag.yaml", "serve.yaml"])
def test_the_files_for_kubernetes_fit_its_schema(name):
    for document in documents(name).values():
        check(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda pod: pod.update(terminationGracePeriod=90),
        lambda pod: pod["containers"][0]["readinessProbe"].update(httpget={}),
        lambda pod: pod["containers"][0].update(args="--host 0.0.0.0"),
        lambda pod: pod["containers"][0]["ports"][0].pop("containerPort"),
    ],
)
def test_the_schema_notices_a_misspelt_or_missing_field(change):
    deployment = documents("serve.yaml")["Deployment"]
    change(deployment["spec"]["template"]["spec"])
    with pytest.raises(jsonschema.ValidationError):
        check(deployment)


def parsed(words):
    """Return the options of an `imlgcn` command line, which must be a right one."""
    program, name, *rest = words
    assert program == "imlgcn"
    command = typer.main.get_command(commands()).commands[name]
    return command.make_context(name, [*rest]).params


def serve_pod():
    pod = documents("serve.yaml")["Deployment"]["spec"]["template"]["spec"]
    return pod, pod["containers"][0]


def test_the_probes_ask_addresses_that_the_server_has_and_that_need_no_token():
    pytest.importorskip("fastapi")
    from imlgcn.serve.app import ROUTERS
    from imlgcn.serve.token import HEALTH

    ours = {route.path for router in ROUTERS for route in router.routes}
    _, container = serve_pod()
    options = parsed([*container["command"], *container["args"]])
    (port,) = container["ports"]
    assert port["containerPort"] == options["port"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["path"] in ours & HEALTH
        assert asked["port"] == port["name"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", "a full queue is no death"


def test_the_grace_period_covers_the_drain_and_the_longest_request():
    pytest.importorskip("fastapi")
    from imlgcn.serve import ServeSettings
    from imlgcn.serve.run import GRACE

    pod, container = serve_pod()
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    ready = container["readinessProbe"]
    assert program == "sleep"
    assert int(seconds) >= 2 * ready["periodSeconds"] * ready["failureThreshold"]
    needed = int(seconds) + ServeSettings().timeout + GRACE + MARGIN
    assert pod["terminationGracePeriodSeconds"] >= needed


def test_the_service_leads_to_the_pods_under_a_name_that_they_answer_to():
    found = documents("serve.yaml")
    _, container = serve_pod()
    options = parsed([*container["command"], *container["args"]])
    service, deployment = found["Service"], found["Deployment"]["spec"]
    assert service["metadata"]["name"] in options["allow_host"]
    assert options["host"] == "0.0.0.0"
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] == container["ports"][0]["name"]
    labels = deployment["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["selector"]["matchLabels"] == labels
    assert [one["name"] for one in container["env"]] == ["IMLGCN_TOKEN"]
    assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def mounted(document):
    pod = document["spec"]["template"]["spec"]
    return {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}, {
        volume["name"] for volume in pod["volumes"]
    }


def test_what_is_mounted_is_there():
    for document in (documents("tag.yaml")["Job"], documents("serve.yaml")["Deployment"]):
        mounts, volumes = mounted(document)
        assert mounts == volumes


def run_tasks(folder, script, variable, numbers, code=0):
    """Run a script as each task does; its `imlgcn` notes its words and ends with `code`."""
    note = folder / "imlgcn"
    note.write_text(f'#!/bin/sh\nprintf "%s\\n" imlgcn "$@" > {folder}/noted\nexit {code}\n')
    note.chmod(0o755)
    found = []
    for number in numbers:
        environment = {"PATH": f"{folder}:{os.environ['PATH']}", variable: str(number)}
        done = subprocess.run(script, env=environment, timeout=30)
        found.append((done.returncode, (folder / "noted").read_text().splitlines()))
    return found


def kubernetes_script():
    job = documents("tag.yaml")["Job"]["spec"]
    container = job["template"]["spec"]["containers"][0]
    return [*container["command"], *container["args"]], job


SLURM = ["bash", str(EXAMPLES / "slurm" / "tag.sh")]
WAYS = {
    "slurm": (SLURM, "SLURM_ARRAY_TASK_ID", range(1, 9)),
    "kubernetes": (kubernetes_script()[0], "JOB_COMPLETION_INDEX", range(8)),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_tasks_of_a_job_are_all_shards_once(way, tmp_path):
    found = run_tasks(tmp_path, *WAYS[way])
    options = [parsed(words) for _, words in found]
    assert [Shard.of(one["shard"]) for one in options] == [Shard(n, 8) for n in range(1, 9)]
    assert all(one["resume"] for one in options), "a task may be started again"
    assert all(code == 0 for code, _ in found)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("code", "ends"), [(3, 0), (2, 1), (143, 1)])
def test_a_job_does_not_fail_for_files_that_cannot_be_read(way, code, ends, tmp_path):
    script, variable, numbers = WAYS[way]
    ((found, _),) = run_tasks(tmp_path, script, variable, numbers[:1], code)
    assert found == ends


def test_as_many_tasks_are_started_as_there_are_shards():
    _, job = kubernetes_script()
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == 8
    assert "#SBATCH --array=1-8\n" in Path(SLURM[1]).read_text()
    assert job["template"]["spec"]["restartPolicy"] == "Never", "as backoffLimitPerIndex needs"


def test_what_a_job_writes_is_merged(tagger, shapes, tmp_path, cli, monkeypatch):
    """Its own words, but for where things are."""
    places = {"/tagger": tagger.path, "/photos": shapes.parent, "/tags": tmp_path}
    script, variable, numbers = WAYS["kubernetes"]
    (tmp_path / "bin").mkdir()
    for _, words in run_tasks(tmp_path / "bin", script, variable, numbers):
        given = [str(places.get(word, word)).replace("/tags/", f"{tmp_path}/") for word in words]
        assert cli(*given[1:]).code == 0
    out = tmp_path / "tags.parquet"
    summary = merge_predictions(tmp_path / "tags.*-of-8.parquet", out)
    assert summary.images == 72
    assert out.is_file()
