"""Files to images and targets: readers, checks, splits, transforms and the feature cache."""
