//! What the registry needs of the format engine, which it does not know itself.

use std::fmt::Debug;

use proto::fault::v1::Fault;
use proto::registry::v1::FormatDescription;

/// A file of the folder of descriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormatFile {
    /// Path of the file in the folder.
    pub file: String,
    /// The text of the description.
    pub text: String,
}

/// Compiles descriptions. The process that starts the registry hands it in.
pub trait FormatEngine: Debug + Send + Sync {
    /// The formats shipped with the product, without their texts.
    fn shipped(&self) -> Vec<FormatDescription>;

    /// Loads these descriptions beside the shipped ones, in their order: what each is, or why it is
    /// not loaded.
    fn load(&self, files: &[FormatFile]) -> Vec<Result<FormatDescription, Fault>>;
}

/// The formats that applications may name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownFormats {
    /// Names of the formats that are loaded.
    pub names: Vec<String>,
    /// Names and files of descriptions that are not loaded because of a mistake.
    pub unloaded: Vec<(String, String)>,
}
