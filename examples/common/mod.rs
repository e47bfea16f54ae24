//! What examples share beside `ramba_cli`.

pub mod facts;
