"""Tags on engines for data in bulk: a batch of columns in, columns out, and clusters of them.

`BatchTagger` serves any engine that calls an object with batches (Ray Data, Daft, Spark, Dask);
`predict_on_ray` is ``imlgcn predict --cluster ray``. Neither loads torch where the tagger has an
exported file.
"""

from imlgcn.batch.run import predict_on_ray
from imlgcn.batch.tagger import BatchTagger

__all__ = ["BatchTagger", "predict_on_ray"]
