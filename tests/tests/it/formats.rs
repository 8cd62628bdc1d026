//! Formats that are dropped into the folder of a running system, in one process and in many.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use lienthong_tests::broker::Broker;
use lienthong_tests::up::{Agency, Up, program, write_registry};
use lienthong_tests::vendor_client::VendorClient;
