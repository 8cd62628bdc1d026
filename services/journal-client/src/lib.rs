//! What services ask of the journal: the typed client, the failure store, and messages as the journal stores them.
