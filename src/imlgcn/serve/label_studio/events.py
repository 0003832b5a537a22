"""The events of Label Studio's webhooks, and what the journal is to keep of them.

https://labelstud.io/guide/webhook_reference, and the source's ``webhooks/models.py``: the task
comes beside the annotation, a deletion names annotations only, or tasks only, whose annotations go
with them unnamed, and no other event is for us.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from imlgcn.numbers import plural
from imlgcn.serve.errors import ApiError
from imlgcn.serve.label_studio.journal import Journal
from imlgcn.serve.label_studio.labeling import Labeling, read_labeling

SUBMITTED = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED")
DELETED = ("ANNOTATION_DELETED", "ANNOTATIONS_DELETED")
TASKS_DELETED = ("TASK_DELETED", "TASKS_DELETED")
TRAIN = "START_TRAINING"
LONGEST = 10_000  # characters of an image's address that are kept: others are data: URLs


class Events:
    """Takes events, one at a time, into a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def take(self, event: dict[str, Any]) -> tuple[bool, str]:
        """Keep what an event says; return whether there may be something to learn, and a sentence.

        Raises:
            ApiError: 422, an event that lacks what its kind has.
        """
        action = event.get("action")
        if action == TRAIN:
            return True, "what was submitted and is not learnt yet is tried again"
        if action in TASKS_DELETED:
            gone = self._without_tasks(event)
            return gone > 0, f"{plural(gone, 'annotation')} taken back"
        if action not in (*SUBMITTED, *DELETED):
            return False, "this event changes nothing here"
        project = event.get("project")
        if not isinstance(project, dict) or not isinstance(project.get("id"), int):
            raise _bad("it has no `project` with an id; let the webhook send its payload")
        annotations = list(_objects(event, "annotation", "annotations"))
        if not annotations:
            raise _bad("it has no `annotation`; let the webhook send its payload")
        where = f"{project['id']}/"
        if action in DELETED:
            gone = self._journal.withdraw(*(where + number for number in map(_number, annotations)))
            return gone > 0, f"{plural(gone, 'annotation')} taken back"
        labeling = read_labeling(project.get("label_config"))
        found = [(task.get("id"), task) for task in _objects(event, "task", "tasks")]
        tasks = {number: task for number, task in found if isinstance(number, int)}
        given = [self._submitted(labeling, one, tasks) for one in annotations]  # all, or none
        new = [self._keep(where, *one) for one in given]
        return any(new), f"{plural(sum(new), 'annotation')} accepted, to be learnt"

    def _without_tasks(self, event: dict[str, Any]) -> int:
        """Take back what was said of tasks that are gone; return how many annotations that are.

        The project is missing where all of its tasks were deleted by one request.
        """
        tasks = {int(_number(task, "task")) for task in _objects(event, "task", "tasks")}
        if not tasks and isinstance(event.get("id"), int):
            tasks = {event["id"]}
        if not tasks:
            raise _bad("it has no `tasks`; let the webhook send its payload")
        project = event.get("project")
        number = project.get("id") if isinstance(project, dict) else None
        return self._journal.withdraw_tasks(tasks, "" if number is None else f"{number}/")

    def _keep(
        self, where: str, number: str, image: str, task: int | None, answers: dict[str, int] | None
    ) -> bool:
        if answers is None:
            return self._journal.withdraw(where + number) > 0
        return self._journal.submit(where + number, image, task, answers)

    def _submitted(
        self, labeling: Labeling, annotation: dict[str, Any], tasks: dict[int, dict[str, Any]]
    ) -> tuple[str, str, int | None, dict[str, int] | None]:
        """Return number, address of the image, task, and answers; None: the task was skipped."""
        number, task = _number(annotation), annotation.get("task")
        if annotation.get("was_cancelled") is True:
            return number, "", None, None
        if task is None and len(tasks) == 1:
            (task,) = tasks  # the event is about one
        found = tasks.get(task) if isinstance(task, int) else None
        data = None if found is None else found.get("data")
        image = data.get(labeling.variable) if isinstance(data, dict) else None
        if not isinstance(image, str) or not image:
            raise _bad(f"its task has no data {labeling.variable!r} with the address of an image")
        if len(image) > LONGEST:
            raise _bad("its image is not in Label Studio but in the task itself, and is not kept")
        assert isinstance(task, int)
        return number, image, task, labeling.answers(annotation.get("result"))


def _objects(event: dict[str, Any], *keys: str) -> Iterator[dict[str, Any]]:
    """Yield the objects at any of the keys, alone or in lists."""
    for key in keys:
        value = event.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield each


def _number(one: dict[str, Any], what: str = "annotation") -> str:
    number = one.get("id")
    if not isinstance(number, int):
        raise _bad(f"its {what} has no id")
    return str(number)


def _bad(why: str) -> ApiError:
    return ApiError(422, "bad_event", f"this event is not as Label Studio sends it: {why}")
