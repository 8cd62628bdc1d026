//! Collects calls that are ready at the same time into batches, so that no caller waits for a batch to fill.
