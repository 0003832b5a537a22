def write_report(tagger, *, progress=None):
    pass
