//! What a machine may lack. A test that cannot run for want of it says so, past the harness, which would keep that to itself; with
//! `RAMBA_REQUIRE_ALL` set it fails. What a machine cannot be given has a variable of its own that makes an exception.

use std::fmt::Display;
use std::io::{Write, stderr};

/// `why` says what is missing.
pub fn lacking(why: impl Display) {
    assert!(!is_set("RAMBA_REQUIRE_ALL"), "not tested, which RAMBA_REQUIRE_ALL forbids: {why}");
    say(format_args!("NOT TESTED: {why}"));
}

/// There is no CUDA device, as `why` says.
pub fn no_cuda_device(why: impl Display) {
    unless("RAMBA_NO_CUDA_DEVICE", format_args!("on a CUDA device: {why}"));
}

/// This process may not mount a file system of its own.
pub fn no_mounts() {
    unless("RAMBA_NO_MOUNTS", "on a full disk: no file system can be mounted here");
}

/// There is no browser that can be driven, as `why` says.
pub fn no_browser(why: impl Display) {
    unless("RAMBA_NO_BROWSER", format_args!("in a browser: {why}"));
}

/// The build has no `what`: its features say so, and are chosen by who builds it.
pub fn not_built(what: impl Display) {
    say(format_args!("NOT BUILT and not tested: {what}"));
}

/// As [`lacking`], but for an `exception` that is set.
fn unless(exception: &str, why: impl Display) {
    if is_set(exception) {
        say(format_args!("NOT TESTED, {exception} is set: {why}"));
    } else {
        lacking(format_args!("{why} (where that cannot be helped, {exception}=1 says so)"));
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

fn say(text: impl Display) {
    // Not `eprintln`, which the harness captures.
    let _ = writeln!(stderr(), "{text}");
}
