//! What the command `ramba` and the examples of the library share: documents from files with a progress bar, answers as lines
//! and as JSON, signals, sizes. It is here for them, and changes as they need it.

pub mod adding;
pub mod answers;
pub mod document;
pub mod encoder;
pub mod engine;
pub mod interrupt;
pub mod model;
pub mod process;
pub mod prose;
pub mod serve;
pub mod show;
pub mod similar;
