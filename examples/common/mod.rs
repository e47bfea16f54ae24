//! What the examples, the `ramba` command and some tests share: nothing here touches the inside of the library.

// Every example uses its own part of this folder.
#![allow(dead_code)]

pub mod answers;
pub mod encoder;
pub mod facts;
pub mod files;
pub mod interrupt;
pub mod process;
pub mod prose;
pub mod show;
