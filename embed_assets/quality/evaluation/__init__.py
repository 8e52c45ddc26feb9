"""Evaluation: how well what a space serves answers its judged queries, by way of search and by group."""
