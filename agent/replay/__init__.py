"""Replays a run from its journal and blobs: every decision is computed again and compared. Changes nothing."""
