//! What the operating system says about this process.

/// The largest resident set of this process so far, in bytes; `None` where the system does not tell (only Linux does).
pub fn peak_rss() -> Option<u64> {
    status_field("VmHWM:")
}

/// The resident set of this process now, in bytes; `None` where the system does not tell.
pub fn rss() -> Option<u64> {
    status_field("VmRSS:")
}

fn status_field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Starts [`peak_rss`] again from the resident set of now, where the system can (Linux: see proc_pid_clear_refs(5)).
pub fn reset_peak_rss() {
    // Without it the peak is that of the whole run: larger, never wrong.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
