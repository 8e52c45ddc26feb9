"""Automation: conditions, jobs, run requests, schedules, sensors and upkeep."""
