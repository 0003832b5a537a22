"""Label Studio's machine-learning backend: ``/health``, ``/setup``, ``/predict`` and ``/webhook``.

`labeling.py` reads the labeling configuration of a project, `images.py` gets the images of its
tasks, `journal.py` keeps what people have submitted, `learner.py` has the tagger learn it, and
`routes.py` answers. What is asked and expected is read from Label Studio's ``ml/api_connector.py``
and ``webhooks/models.py`` (https://github.com/HumanSignal/label-studio), its guide
(https://labelstud.io/guide/ml_create and .../webhook_reference), and ``label_studio_ml/api.py`` of
https://github.com/HumanSignal/label-studio-ml-backend.
"""
