//! The CUDA kernels on the CPU: what they compute, where there is no device. See `kernels/simt.h`.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;

use test_support::build::run;
use test_support::require::lacking;

#[test]
fn every_kernel_follows_its_formula() {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    if Command::new(&compiler).arg("--version").output().is_err() {
        return lacking(format_args!("the CUDA kernels on the CPU: there is no C++ compiler ({compiler})"));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("kernels");
    let mut compile = Command::new(&compiler);
    // Where hardening is a default, jumps between stacks would be taken for an attack.
    compile
        .args(["-std=c++17", "-O1", "-w", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=0", "-I"])
        .arg(root.join("kernels"));
    compile.arg("-o").arg(&program);
    run(compile.arg(root.join("tests/kernels/main.cpp")));
    // Prints what differs.
    let output = Command::new(&program).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.lines().filter(|line| line.ends_with(": ok")).count(), 18, "{text}");
}

/// What is skipped is said, and is a failure where everything must run: here for want of a compiler.
#[test]
fn nothing_is_skipped_silently() {
    let skip = |require: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "every_kernel_follows_its_formula"]).env("CXX", "/nowhere/c++");
        command.env("RAMBA_REQUIRE_ALL", require).output().unwrap()
    };
    let (skipped, required) = (skip(""), skip("1"));
    let text = String::from_utf8_lossy(&skipped.stderr).into_owned();
    assert!(skipped.status.success() && text.contains("NOT TESTED") && text.contains("/nowhere/c++"), "{text}");
    assert!(!required.status.success());
    assert!(String::from_utf8_lossy(&required.stdout).contains("RAMBA_REQUIRE_ALL forbids"));
}
