//! Names that may have been meant.

/// The one of `names` that is most like `wanted`, if one is.
pub fn similar(wanted: &str, names: impl IntoIterator<Item = String>) -> Option<String> {
    let small = wanted.to_lowercase();
    // Of a path, the name of the file may do.
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_lowercase();
    let like =
        |name: &str| strsim::jaro_winkler(&small, &name.to_lowercase()).max(strsim::jaro_winkler(&small, &last(name)));
    let best = names.into_iter().map(|name| (like(&name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.85).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_meant_is_found() {
        let names = || ["manuals/pump.pdf", "contract.docx", "log"].map(str::to_owned);
        for (wanted, meant) in [
            ("contrat.docx", Some("contract.docx")),
            ("Contract.DOCX", Some("contract.docx")),
            ("pump.pdf", Some("manuals/pump.pdf")),
            ("manual/pump.pdf", Some("manuals/pump.pdf")),
            ("ledger", None),
        ] {
            assert_eq!(similar(wanted, names()).as_deref(), meant, "{wanted}");
        }
        assert_eq!(similar("x", []), None);
    }
}
