//! The `ramba` command.

fn main() {}
