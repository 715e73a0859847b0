"""The four tables that came with the published embeddings, and the options that name others in their place."""

TABLE_NAMES = ("train_metadata.csv", "test_metadata.csv", "train.csv.gz", "test.csv.gz")
TABLE_OPTIONS = ("train_metadata", "test_metadata", "train_table", "test_table")  # in the order of TABLE_NAMES
