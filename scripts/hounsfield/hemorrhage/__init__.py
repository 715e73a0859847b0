"""Intracranial hemorrhage (RSNA 2019, 2nd place): classifier, embeddings, sequence model, bagged submission."""
