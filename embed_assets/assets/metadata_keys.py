"""Keys of our metadata entries on materializations and checks: one home, since the code of others reads them too."""

DATA_VERSION = "dagster/data_version"  # Dagster's tag of a materialization

# Metadata of materializations and checks; Dagster plots the numeric ones over time.
ITEMS = "embed_assets/items"
RECALL_AT_10 = "embed_assets/recall_at_10"
ENCODER_VERSION = "embed_assets/encoder_version"
RUNTIME = "embed_assets/runtime"  # what ran the model, and why
DIM = "embed_assets/dim"
ITEMS_PER_SECOND = "embed_assets/items_per_second"
SECONDS = "embed_assets/seconds"  # of a run from its first item to its last commit
READ_SECONDS = "embed_assets/read_seconds"
ENCODE_SECONDS = "embed_assets/encode_seconds"
WRITE_SECONDS = "embed_assets/write_seconds"
WAITED_SECONDS = "embed_assets/waited_seconds"  # of the encoder, for media to be read and prepared
TOKENS = "embed_assets/tokens"  # of texts, encoded in a run
PIXELS = "embed_assets/pixels"  # of everything else
USD = "embed_assets/usd"  # by the encoder's price; absent where it has none
SPENT = {"tokens": TOKENS, "pixels": PIXELS, "usd": USD}
UPSTREAM = "embed_assets/upstream"  # when the asset was materialized that a manifest was made from

# Of sinks: rows.
ROWS_WRITTEN = "embed_assets/rows_written"
ROWS_DELETED = "embed_assets/rows_deleted"
ROWS_HELD = "embed_assets/rows_held"
RELEASE = "embed_assets/release"

# Of saved queries. NEW_MATCHES is a tag of the materialization, too, by which a sensor passes over one without any.
MATCHES = "embed_assets/matches"
NEW_MATCHES = "embed_assets/new_matches"
GONE_MATCHES = "embed_assets/gone_matches"
NEW_ITEMS = "embed_assets/new_items"  # JSON: media_id, source, key, uri and percentile of each new match
