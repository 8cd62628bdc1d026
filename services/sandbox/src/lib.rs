//! Simulated agencies, and the demonstration they play.
