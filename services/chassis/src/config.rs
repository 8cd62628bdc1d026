//! Configuration in layers: defaults, data folder, the user's TOML file (commands only), one TOML
//! file, a named context of these files (commands only), environment variables, flags. A later layer
//! overrides an earlier one, and the origin of every value is known.
//!
//! A section is a table of the file and holds the settings of one service. The defaults of a
//! section name all its keys: any other key is an error that suggests the nearest known one.

mod contexts;
mod environment;
mod error;
mod keys;
mod layers;

pub use self::contexts::user_file_path;
pub use self::error::ConfigError;
pub use self::keys::PREFIX;
pub use self::layers::{EffectiveSetting, Layers, is_vietnamese};
