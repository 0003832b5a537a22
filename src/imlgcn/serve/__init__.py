"""``imlgcn serve``: an API and a page for one tagger.

Read in this order: `settings`, `batcher` (images in, rows of probabilities out), `service` (what
the tagger can tell, as JSON), `routes` (what is asked and answered), `app`, `run`.
"""

from imlgcn.serve.app import create_app
from imlgcn.serve.run import run_server
from imlgcn.serve.settings import ServeSettings

__all__ = ["ServeSettings", "create_app", "run_server"]
