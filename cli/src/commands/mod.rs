//! The commands that are more than a few lines.

pub mod bench;
pub mod convert;
pub mod estimate;
pub mod evaluate;
pub mod export;
pub mod info;
pub mod library;
pub mod serve;
pub mod text;
