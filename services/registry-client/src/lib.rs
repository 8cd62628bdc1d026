//! Follows the registry and answers who is there, what they take, and who may send what to whom.
