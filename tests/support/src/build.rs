//! Building what Cargo builds only when it is asked to.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs `command`, which must succeed.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Runs `cargo` with `args` in the profile and the target folder of this test, where most of the work is done already.
/// Returns the folder of the profile.
pub fn cargo(args: &[&str]) -> PathBuf {
    // This test is TARGET/PROFILE/deps/NAME-….
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).args(["--offline", "--target-dir"]).arg(profile.parent().unwrap());
    command.current_dir(crate::root());
    if profile.ends_with("release") {
        command.arg("--release");
    }
    run(&mut command);
    profile.to_owned()
}

/// The shared and the static library for C, made at once for all tests that look at one of them. Returns the folder that they are in.
pub fn libraries() -> PathBuf {
    cargo(&["rustc", "-p", "ramba", "--lib", "--features", "capi", "--crate-type", "staticlib,cdylib"])
}
