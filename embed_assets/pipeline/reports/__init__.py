"""Reports: drift, balance and noise of a pipeline, measured on samples; nothing is stored."""
