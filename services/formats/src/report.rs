//! What writing did to a message: values that are lost, changed or added.

use prost_reflect::DynamicMessage;
use proto::mapping::v1::{Loss, loss};

use crate::path;

/// Lost, changed and added leaves by their canonical paths; leftovers are not the receiver's.
pub(crate) fn difference(message: &DynamicMessage, read: &DynamicMessage) -> Vec<Loss> {
    let keep = |(path, _): &(String, String)| {
        !path.starts_with("leftovers") && !path.contains("directory_key")
    };
    let before: Vec<_> = path::leaves(message).into_iter().filter(keep).collect();
    let after: Vec<_> = path::leaves(read).into_iter().filter(keep).collect();
    let index = |of: &[(String, String)]| {
        of.iter().cloned().collect::<std::collections::HashMap<String, String>>()
    };
    let (was, is) = (index(&before), index(&after));
    let mut losses = Vec::new();
    let mut add = |kind: loss::Kind, path: &str, reason: &str, value: &str| {
        losses.push(Loss {
            kind: kind.into(),
            path: path.to_owned(),
            reason: reason.to_owned(),
            value: value.to_owned(),
        });
    };
    for (path, value) in &before {
        match is.get(path) {
            None => add(loss::Kind::Lost, path, "no-place", ""),
            Some(other) if other != value => {
                let reason = if value.starts_with(other.as_str()) { "cut" } else { "precision" };
                add(loss::Kind::Changed, path, reason, other);
            }
            Some(_) => {}
        }
    }
    for (path, value) in &after {
        if !was.contains_key(path) {
            add(loss::Kind::Added, path, "default", value);
        }
    }
    losses
}
