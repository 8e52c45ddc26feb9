"""Pipeline: what each asset does, plans and status, without Dagster."""
