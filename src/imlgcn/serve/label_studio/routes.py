"""The addresses that Label Studio asks of a machine-learning backend."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from imlgcn.parsing import ParseError, parse_json
from imlgcn.serve.accepting import in_time, service_of
from imlgcn.serve.batcher import QueueFullError
from imlgcn.serve.errors import LOG, ApiError, json_response
from imlgcn.serve.label_studio.events import Events
from imlgcn.serve.label_studio.labeling import Labeling, label_names, read_labeling
from imlgcn.serve.label_studio.studio import FETCHED, Studio, model_version
from imlgcn.serve.limits import checked_json
from imlgcn.serve.request_log import count_images
from imlgcn.serve.schema import errors
from imlgcn.serve.service import Service
from imlgcn.serve.uploads import Upload, read_body

router = APIRouter(tags=["Label Studio"])
DEPTH = 16  # of JSON: annotations of tasks nest to 10
MOST_TASKS = 1000  # of a request; Label Studio sends up to 100
NAMED = 5  # choices in a message
REFUSED = errors(400, 404, 408, 413, 422, 503)


def _studio(request: Request) -> Studio:
    studio: Studio | None = request.app.state.label_studio
    if studio is None:
        message = "this server does not answer Label Studio; start it with --label-studio"
        raise ApiError(404, "no_label_studio", message)
    return studio


def _body(example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.get(
    "/health", summary="Whether the backend is up", response_model=None, responses=errors(404)
)
async def health(request: Request) -> Response:
    """Answer that the server is there. Only if it was started with `--label-studio`, as below."""
    _studio(request)
    return json_response({"status": "UP", "model_class": "imlgcn"})


@router.post(
    "/setup",
    summary="Whether a labeling configuration fits",
    response_model=None,
    responses=REFUSED,
    openapi_extra=_body({"project": "1.1700000000", "schema": "<View>...</View>"}),
)
async def setup(request: Request) -> Response:
    """Return the version of the model, or say what is wrong with the configuration.

    Its host name and token are not used: where images come from is said when the server starts.
    """
    studio, service = _studio(request), service_of(request)
    asked = await _content(request, service)
    labeling = read_labeling(asked.get("schema"))
    names = label_names(service.tagger.label_table)
    unknown = sorted(labeling.names - names.keys())
    if studio.learner is None and len(unknown) == len(labeling.names):
        message = (
            f"none of the choices ({_some(unknown)}) is a label of this tagger "
            f"({_some(service.tagger.labels)}); name them alike, or let it learn them with --grow"
        )
        raise ApiError(422, "bad_label_config", message)
    found: dict[str, Any] = {"model_version": model_version(service.tagger)}
    if unknown:
        found["unknown_choices"] = unknown
    return json_response(found)


@router.get(
    "/versions", summary="The versions of the model", response_model=None, responses=errors(404)
)
async def versions(request: Request) -> Response:
    """Return the one version that is served."""
    _studio(request)
    return json_response({"versions": [model_version(service_of(request).tagger)]})


@router.post(
    "/predict",
    summary="Tags for tasks",
    response_model=None,
    responses={**REFUSED, **errors(504)},
    openapi_extra=_body(
        {
            "tasks": [{"id": 1, "data": {"image": "/data/upload/1/photo.jpg"}}],
            "label_config": "<View>...</View>",
        }
    ),
)
async def predict(request: Request) -> Response:
    """Return a prediction for each task: the choices that are tags of its image.

    One image among several that cannot be had leaves its prediction empty, with an `error`.
    """
    studio, service = _studio(request), service_of(request)
    async with in_time(service.settings):
        asked = await _content(request, service)
        labeling, tasks = read_labeling(asked.get("label_config")), _tasks(asked)
        count_images(len(tasks))
        version, names = model_version(service.tagger), label_names(service.tagger.label_table)
        turn = asyncio.Semaphore(FETCHED)

        async def one(task: dict[str, Any]) -> dict[str, Any] | ApiError:
            async with turn:
                return await _prediction(task, labeling, names, studio, service)

        found = await asyncio.gather(*map(one, tasks))
    failed = [each for each in found if isinstance(each, ApiError)]
    if failed and len(failed) == len(found):
        raise failed[0]
    if failed:
        LOG.warning("%d of %d tasks have no image: %s", len(failed), len(found), failed[0].message)
    results = [
        {"result": [], "error": each.body()} if isinstance(each, ApiError) else each
        for each in found
    ]
    return json_response({"results": [{**each, "model_version": version} for each in results]})


@router.post(
    "/webhook",
    summary="What happened in Label Studio",
    response_model=None,
    status_code=201,
    responses=REFUSED,
    openapi_extra=_body({"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "result": []}}),
)
async def webhook(request: Request) -> Response:
    """Keep what people have submitted, and learn it in the background.

    Only with `--grow`. When it is answered, the annotation is on the disk.
    """
    studio, service = _studio(request), service_of(request)
    asked = await _content(request, service)
    if studio.learner is None:
        message = "this server does not learn; start it with --grow if it should"
        return json_response({"status": "ok", "result": message})
    events = Events(studio.learner.journal)
    is_new, message = await asyncio.to_thread(events.take, asked)
    if is_new:
        studio.learner.wake()
    return json_response({"status": "ok", "result": message}, 201 if is_new else 200)


async def _content(request: Request, service: Service) -> dict[str, Any]:
    """Return the JSON object of a request."""
    try:
        with service.held.reserve() as take:
            body = await read_body(request, service.settings, take)
            found = await asyncio.to_thread(lambda: parse_json(checked_json(body, depth=DEPTH)))
    except QueueFullError as full:
        message = f"{full}; try again in a second"
        raise ApiError(503, "busy", message, {"retry-after": "1"}) from None
    except ParseError as error:
        raise ApiError(400, "bad_json", f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ApiError(422, "bad_body", "the body is not a JSON object, as Label Studio sends it")
    return found


def _tasks(asked: dict[str, Any]) -> list[dict[str, Any]]:
    tasks = asked.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ApiError(422, "bad_body", "the body has no list `tasks`, as Label Studio sends it")
    if not 0 < len(tasks) <= MOST_TASKS:
        message = f"a request has 1 to {MOST_TASKS} tasks; this one has {len(tasks)}"
        raise ApiError(422, "too_many_images", message)
    return tasks


async def _prediction(
    task: dict[str, Any],
    labeling: Labeling,
    names: dict[str, str],
    studio: Studio,
    service: Service,
) -> dict[str, Any] | ApiError:
    """Return the prediction of a task, or why there is none."""
    data, batcher = task.get("data"), service.batcher
    assert batcher is not None
    address = data.get(labeling.variable) if isinstance(data, dict) else None
    if address is None:
        return ApiError(422, "no_task_image", f"the data of the task has no {labeling.variable!r}")
    try:
        image = await studio.image(address, task.get("id"))
    except ApiError as error:
        return error
    with service.held.reserve() as take, batcher.reserve(1):
        if not take(len(image)):
            raise QueueFullError("the server's memory for uploads is full")
        row = await service.score(Upload(f"task {task.get('id')}", image), None)
    if isinstance(row, ApiError):
        return row
    tags = {tag.label: tag.probability for tag in service.tagger.tags(row)}
    chosen = {name: tags[names[name]] for name in labeling.names if names.get(name) in tags}
    found: dict[str, Any] = {"result": labeling.regions(chosen)}
    if chosen:  # the data manager sorts by it: the least certain first
        found["score"] = min(chosen.values())
    return found


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
