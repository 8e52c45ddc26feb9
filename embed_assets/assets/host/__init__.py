"""Host: what a project around the pipeline brings: its translator, its own logic, its upstream assets."""
