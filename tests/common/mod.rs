//! Helpers that several test files share. Each test file compiles its own copy and uses what it needs.
#![allow(dead_code, reason = "no test file uses all of it")]

pub mod build;
pub mod checkpoint;
pub mod gguf;
pub mod model;
pub mod random;
pub mod require;
