//! What the store of claims promises, tried over a folder and over an object store.
