"""embed-assets report map: the items of a space on a plane that stays, for tools that draw it."""

import click

from embed_assets.cli.reports.inspection_options import require_one, sample_option, say_written
from embed_assets.cli.reports.served_spaces import served_spaces
from embed_assets.cli.shared.options import json_option, steps_of, store_option
from embed_assets.cli.shared.plain_output import say, say_json
from embed_assets.cli.shared.tables.inspection_tables import print_maps
from embed_assets.pipeline.inspection.map_export import export_map


@click.command()
@click.argument("spaces", nargs=-1, metavar="[SPACE…]")
@click.option(
    "--export",
    "export",
    metavar="FOLDER|FILE",
    help="A .parquet file for Embedding Atlas, or a folder for TensorBoard's projector; of one space.",
)
@click.option("--refit", is_flag=True, help="Fit the plane again: all points move.")
@sample_option
@store_option
@json_option
def command(spaces: tuple[str, ...], export: str | None, refit: bool, sample: int, store: str, as_json: bool) -> None:
    """Place the items of a space on a plane: by UMAP where umap-learn is installed, else by principal components.

    The plane is fitted once for each encoder version and kept in the store: items that come later get their place, and
    the others stay where they are.
    """
    steps = steps_of(store)
    names = served_spaces(steps, spaces)
    if export is not None:
        require_one(names, export)
    found, files, opened_by = [], [], ""
    for space in names:
        inspection = steps.inspect(space, most=sample)
        found.append(inspection.map(refit=refit))
        if export is not None:
            files, opened_by = export_map(inspection, found[-1], export)
    say_written(files, quiet=as_json)
    if as_json:
        say_json([each.document([str(file) for file in files]) for each in found])
        return
    print_maps(found)
    if opened_by:
        say(f"Open it: {opened_by}")
