"""Which of Dagster's executors runs the steps of a pipeline's jobs, by the setting `executor`."""

from importlib import import_module

import dagster as dg

from embed_assets.errors import SettingsError
from embed_assets.settings import PipelineSettings

_DAGSTERS = {"in_process": dg.in_process_executor, "multiprocess": dg.multiprocess_executor}


def executor_of(settings: PipelineSettings) -> dg.ExecutorDefinition:
    """Return the executor that the settings name: one of Dagster's two, or the attribute of a module.

    Raises SettingsError where there is no such module or attribute, or it is no executor.
    """
    name = settings.executor
    if name in _DAGSTERS:
        return _DAGSTERS[name]
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise SettingsError(
            f"executor: {name!r} can't be imported ({error}). Install it: pip install {package}"
        ) from error
    if not isinstance(found, dg.ExecutorDefinition):
        what = f"module {module!r} has no {attribute!r}" if found is None else f"{attribute!r} is no ExecutorDefinition"
        raise SettingsError(f"executor: {name!r} is no executor of Dagster: {what}.")
    return found
