"""``imlgcn serve``: an API and a page for one tagger.

Read in this order: `settings`, `batcher` (images in, rows of probabilities out), `service` (the
tagger's results and facts as JSON), `current` (its successor), `routes` (the addresses), `grow`,
`app`, `run`.
"""

from imlgcn.serve.app import create_app
from imlgcn.serve.run import run_server
from imlgcn.serve.settings import ServeSettings

__all__ = ["ServeSettings", "create_app", "run_server"]
