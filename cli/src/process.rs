//! What the operating system says about this process.

/// The largest resident set of this process so far, in bytes; `None` where the system does not tell (only Linux does).
pub fn peak_rss() -> Option<u64> {
    status_field("VmHWM:")
}

/// The resident set of this process now, in bytes; `None` where the system does not tell.
pub fn rss() -> Option<u64> {
    status_field("VmRSS:")
}

/// Whether this process ignores `signal`; `false` where the system does not tell.
pub fn ignores(signal: i32) -> bool {
    let mask = status("SigIgn:").and_then(|mask| u64::from_str_radix(&mask, 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

fn status_field(name: &str) -> Option<u64> {
    let kib: u64 = status(name)?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn status(name: &str) -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(status.lines().find_map(|l| l.strip_prefix(name))?.trim().to_owned())
}

/// Starts [`peak_rss`] again from the resident set of now, where the system can (Linux: see proc_pid_clear_refs(5)).
pub fn reset_peak_rss() {
    // Without it the peak is that of the whole run: larger, never wrong.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
