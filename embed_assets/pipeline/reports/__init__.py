"""Reports: drift, balance, evaluation and noise of a pipeline, measured on samples; nothing is stored."""
