"""The competitions: label order, table shapes, metric, submission and phantom data set of each."""
