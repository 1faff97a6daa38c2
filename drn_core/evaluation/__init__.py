"""How results are judged: metrics on arrays, named protocols, statistics, reports; no files, no estimators."""
