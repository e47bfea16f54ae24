//! Documents in the formats that people have: what is asked is found, with the name of its place; what cannot be read is said; and no
//! file, however made, does harm.

use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use test_support::pdf::{lines, pdf, stream};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const FACT: &str = "The pass key of QXRT is 482913.";
const QUESTION: &str = "What is the pass key of QXRT?";

struct World {
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

fn ramba(args: &[&str], input: Option<&[u8]>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
    command
        .env("RAMBA_MODEL", test_support::shipped())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading all of it.
    let _ = stdin.write_all(input.unwrap_or_default());
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// What `ramba text --json` says of a file.
fn text(path: &str, more: &[&str]) -> Value {
    let output = ramba(&[&["text", "--json", path], more].concat(), None);
    assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Expects failure with one line that has all of `words` in it.
fn refused(path: &str, words: &[&str]) {
    let output = ramba(&["text", path], None);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{path}: {message}");
    assert!(message.starts_with("error: ") && message.trim_end().lines().count() == 1, "{message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in: {message}");
    }
}

fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn epub(chapters: &[(&str, &str)], more: &[(&str, &[u8])]) -> Vec<u8> {
    let item = |i: usize| format!("<item id='c{i}' href='text/c%20{i}.xhtml' media-type='application/xhtml+xml'/>");
    let items: String = (0..chapters.len()).map(item).collect();
    let spine: String = (0..chapters.len()).map(|i| format!("<itemref idref='c{i}'/>")).collect();
    let package = format!(
        "<?xml version='1.0'?><package xmlns='http://www.idpf.org/2007/opf'><manifest>{items}\
         <item id='nav' href='nav.xhtml' properties='nav' media-type='application/xhtml+xml'/></manifest><spine>{spine}</spine></package>"
    );
    let entries: String = chapters
        .iter()
        .enumerate()
        .map(|(i, (title, _))| format!("<li><a href='text/c%20{i}.xhtml#top'>{title}</a></li>"))
        .collect();
    let nav = format!(
        "<html xmlns:epub='http://www.idpf.org/2007/ops'><nav epub:type='landmarks'><a href='text/c%200.xhtml'>Start</a></nav>\
         <nav epub:type='toc'><ol>{entries}</ol></nav></html>"
    );
    let pages: Vec<(String, String)> = chapters
        .iter()
        .enumerate()
        .map(|(i, (_, body))| {
            (format!("OPS/text/c {i}.xhtml"), format!("<html><head><title>x</title></head><body>{body}</body></html>"))
        })
        .collect();
    let container = "<container><rootfiles><rootfile full-path='OPS/book.opf'/></rootfiles></container>";
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("mimetype", b"application/epub+zip"),
        ("META-INF/container.xml", container.as_bytes()),
        ("OPS/book.opf", package.as_bytes()),
        ("OPS/nav.xhtml", nav.as_bytes()),
    ];
    parts.extend(pages.iter().map(|(name, page)| (name.as_str(), page.as_bytes())));
    parts.extend(more);
    archive(&parts)
}

fn docx(body: &str) -> Vec<u8> {
    let styles = "<w:styles xmlns:w='w'><w:style w:type='paragraph' w:styleId='berschrift1'><w:name w:val='heading 1'/></w:style>\
         <w:style w:styleId='Sub'><w:basedOn w:val='berschrift1'/><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style></w:styles>";
    let numbering = "<w:numbering xmlns:w='w'><w:abstractNum w:abstractNumId='4'>\
         <w:lvl w:ilvl='0'><w:start w:val='1'/><w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/></w:lvl>\
         <w:lvl w:ilvl='1'><w:start w:val='1'/><w:numFmt w:val='lowerLetter'/><w:lvlText w:val='%1.%2)'/></w:lvl></w:abstractNum>\
         <w:num w:numId='2'><w:abstractNumId w:val='4'/></w:num></w:numbering>";
    let footnotes = "<w:footnotes xmlns:w='w'><w:footnote w:type='separator' w:id='0'><w:p><w:r><w:t>no</w:t></w:r></w:p></w:footnote>\
         <w:footnote w:id='1'><w:p><w:r><w:t>As of May.</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let document = format!("<?xml version='1.0'?><w:document xmlns:w='w'><w:body>{body}</w:body></w:document>");
    archive(&[
        ("[Content_Types].xml", b"<Types/>"),
        ("word/document.xml", document.as_bytes()),
        ("word/styles.xml", styles.as_bytes()),
        ("word/numbering.xml", numbering.as_bytes()),
        ("word/footnotes.xml", footnotes.as_bytes()),
    ])
}

fn paragraph(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr>{style}</w:pPr><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:p>")
}

const CONTRACT: fn() -> Vec<u8> = || {
    let list = |level: u8| format!("<w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='2'/></w:numPr>");
    let heading = "<w:pStyle w:val='berschrift1'/>";
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("", text));
    let row = |cells: &[&str]| format!("<w:tr>{}</w:tr>", cells.iter().map(|text| cell(text)).collect::<String>());
    let body = [
        paragraph(&format!("{heading}{}", list(0)), "Definitions"),
        paragraph(&list(1), "The buyer pays.<w:del><w:r><w:delText>gone</w:delText></w:r></w:del>"),
        paragraph(&format!("{heading}{}", list(0)), "Keys"),
        paragraph(&list(1), FACT),
        "<w:p><w:r><w:t>Fees</w:t></w:r><w:r><w:footnoteReference w:id='1'/></w:r><w:r><w:t>apply.</w:t></w:r></w:p>".into(),
        format!(
            "<w:tbl><w:tblPr><w:tblLook w:val='04A0'/></w:tblPr>{}{}{}</w:tbl>",
            row(&["Item", "Price"]),
            row(&["Pump", "12 €"]),
            row(&["Valve", "3 €"])
        ),
        paragraph("<w:pStyle w:val='Sub'/>", "Annex"),
        "<w:p><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del><w:r><w:t>soft</w:t><w:tab/><w:t>end</w:t></w:r></w:p>".into(),
    ];
    docx(&body.concat())
};

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

#[test]
fn what_is_asked_is_found_in_every_format_with_the_name_of_its_place() {
    let w = World::new();
    let filler = "It was a bright cold day in the village, and the ferryman had a letter in his pocket. ";
    let manual = pdf(
        &[
            lines(&["A manual of the pump."]),
            lines(&[
                "Keys",
                "",
                "The ferryman had a letter in his pocket. The pass key",
                "of QXRT is 482913. It was a bright cold day by the sea.",
            ]),
        ],
        "",
    );
    let book = epub(&[("One", &format!("<p>{filler}</p>")), ("The Key", &format!("<h2>Found</h2><p>{FACT}</p>"))], &[]);
    let table = format!("note;number\n{filler};1\n{FACT};2\n");
    let files = [
        ("manual.pdf", manual, "page 2"),
        ("book.epub", book, "The Key › Found"),
        ("contract.docx", CONTRACT(), "2. Keys"),
        ("page.html", format!("<html><body><h1>Pumps</h1><p>{filler}<h2>Keys</h2><p>{FACT}").into(), "Pumps › Keys"),
        ("notes.md", format!("# Pumps\n\n{filler}\n\n## Keys\n\n{FACT}\n").into(), "Pumps › Keys"),
        ("table.csv", table.into_bytes(), "row 3"),
        ("rows.jsonl", format!("{{\"text\": \"{filler}\"}}\n{{\"text\": \"{FACT}\"}}\n").into(), "row 2"),
        ("utf16.txt", utf16(&format!("{filler}{FACT}\r\n{filler}")), ""),
        ("latin1.txt", latin1(&format!("Käufer und Verkäufer, für die Übergabe. {FACT} {filler}")), ""),
    ];
    for (name, bytes, label) in files {
        let path = w.write(name, &bytes);
        let path = path.to_str().unwrap();
        let output = ramba(&["ask", path, "-q", QUESTION, "--json"], None);
        assert!(output.status.success(), "{name}: {output:?}");
        let json: Value = serde_json::from_slice(&output.stdout).unwrap();
        let quote = &json["answers"][0]["quotes"][0];
        assert!(quote["text"].as_str().is_some_and(|text| text.contains("482913")), "{name}: {json}");
        assert_eq!(quote["label"].as_str().unwrap_or_default(), label, "{name}: {json}");
        // Where the file has such a place, it is there.
        if let (Some(start), Some(end)) = (quote["origin_start"].as_u64(), quote["origin_end"].as_u64()) {
            let there = if name.starts_with("utf16") {
                // In such a file a word is as long as its letters say from where it begins.
                let units = bytes[start as usize..][..2 * (end - start) as usize].chunks(2);
                String::from_utf16_lossy(&units.map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect::<Vec<_>>())
            } else {
                String::from_utf8_lossy(&bytes[start as usize..end as usize]).into_owned()
            };
            assert!(there.contains("482913"), "{name}: {there:?}");
        }
        let has_places = !matches!(name, "manual.pdf" | "book.epub" | "contract.docx" | "rows.jsonl");
        assert_eq!(quote["origin_start"].is_u64(), has_places, "{name}: {json}");
        let output = ramba(&["ask", path, "-q", QUESTION, "--sources"], None);
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains("482913") && printed.contains(label), "{name}: {printed}");
    }
}

#[test]
fn several_files_and_folders_are_one_document_with_their_names() {
    let w = World::new();
    w.write("box/a.txt", "Nothing to see here, but for the weather, which was cold and bright. ");
    w.write("box/deep/b.md", format!("# Keys\n\n{FACT}\n"));
    w.write("box/c.bin", [0; 100]);
    let folder = w.dir.path().join("box");
    let pattern = w.dir.path().join("box/**/*.md");
    for args in [vec![folder.to_str().unwrap()], vec![folder.to_str().unwrap(), pattern.to_str().unwrap()]] {
        let output = ramba(&[&["ask"], &args[..], &["-q", QUESTION]].concat(), None);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "482913  (b.md, Keys)\n", "{output:?}");
    }
}

#[test]
fn text_is_that_of_the_file_without_its_layout() {
    let w = World::new();
    let path = w.write("contract.docx", CONTRACT());
    let json = text(path.to_str().unwrap(), &[]);
    assert_eq!(
        json["text"],
        format!(
            "1. Definitions\n\n1.a) The buyer pays.\n\n2. Keys\n\n2.a) {FACT}\n\nFees (As of May.) apply.\n\nItem; Price\n\
             Item: Pump; Price: 12 €\nItem: Valve; Price: 3 €\n\nAnnex\n\nsoft end"
        )
    );
    assert!(json["notes"].to_string().contains("2 tracked deletions"), "{json}");
    let labels: Vec<_> = json["marks"].as_array().unwrap().iter().filter_map(|mark| mark["label"].as_str()).collect();
    assert_eq!(labels, ["1. Definitions", "2. Keys", "2. Keys › Annex"]);

    let book = epub(&[("One", "<h1>One</h1><p>a&nbsp;b<br/>c &amp; d</p>"), ("Two", "<p>soft&#173;ened</p>")], &[]);
    let path = w.write("book.epub", book);
    let output = ramba(&["text", "--labels", path.to_str().unwrap()], None);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "\n[One]\nOne\n\na b c & d\n\n\n[Two]\nsoftened\n");

    // From a pipe, and as something else than it seems to be.
    let output = ramba(&["text", "-"], Some(&utf16("über\r\nalles")));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "über\nalles\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("UTF-16LE"));
    let output = ramba(&["text", "-", "--format", "csv"], Some(b"a,b\n1,2\n"));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "a; b\na: 1; b: 2\n");
    let output = ramba(&["text", "-", "--encoding", "koi8-r"], Some(b"\xeb\xcc\xc0\xde"));
    assert_eq!((String::from_utf8_lossy(&output.stdout).as_ref(), output.stderr.len()), ("Ключ\n", 0));
}

#[test]
fn what_cannot_be_read_is_said_by_its_page() {
    let w = World::new();
    let scan = stream("", b"q 600 0 0 800 0 0 cm /I Do Q");
    let broken = stream("/Filter /FlateDecode", b"not compressed");
    let path = w.write("part.pdf", pdf(&[lines(&["first"]), scan.clone(), scan.clone(), lines(&["last"])], ""));
    let json = text(path.to_str().unwrap(), &[]);
    assert_eq!((&json["text"], &json["notes"][0]["place"]), (&"first\n\nlast".into(), &"pages 2–3".into()), "{json}");
    assert!(json["notes"][0]["message"].as_str().unwrap().contains("scanned"), "{json}");
    let all = w.write("scan.pdf", pdf(&[scan.clone(), scan], ""));
    refused(all.to_str().unwrap(), &["scan.pdf", "none of 2 pages has text", "OCR"]);
    refused(w.write("broken.pdf", pdf(&[broken], "")).to_str().unwrap(), &["broken.pdf", "none of 1 pages"]);
    let encrypted = "/ID [<00> <00>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -44 \
         /O <0000000000000000000000000000000000000000000000000000000000000000> \
         /U <0000000000000000000000000000000000000000000000000000000000000000> >>";
    refused(w.write("locked.pdf", pdf(&[lines(&["x"])], encrypted)).to_str().unwrap(), &["locked.pdf", "password"]);

    let encryption = "<encryption><EncryptedData><CipherData><CipherReference URI='OPS/text/c%201.xhtml'/></CipherData></EncryptedData></encryption>";
    let part: (&str, &[u8]) = ("META-INF/encryption.xml", encryption.as_bytes());
    let path = w.write("part.epub", epub(&[("One", "<p>first"), ("Two", "<p>second")], &[part]));
    let json = text(path.to_str().unwrap(), &[]);
    assert_eq!(
        (&json["text"], &json["notes"][0]["place"], &json["notes"][0]["message"]),
        (&"first".into(), &"Two".into(), &"encrypted".into())
    );

    let office = w.write("old.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on");
    refused(office.to_str().unwrap(), &["old.docx", "password"]);
    refused(w.write("x.docx", archive(&[("word/other.xml", b"")])).to_str().unwrap(), &["word/document.xml"]);
    refused(w.write("empty.pdf", b"%PDF-1.7\n").to_str().unwrap(), &["empty.pdf", "damaged"]);
    refused(w.write("binary.txt", [0, 1, 2, 3].repeat(1000)).to_str().unwrap(), &["not text"]);
    // Told, whatever else there is to say.
    let path = w.write("bad.txt", [&"über ".repeat(20).into_bytes()[..], b"\xff end"].concat());
    let json = text(path.to_str().unwrap(), &[]);
    assert!(json["notes"][0]["message"].as_str().unwrap().starts_with("byte 120 is not UTF-8"), "{json}");
}

/// Reads `path` with no more than four gigabytes to be had.
#[cfg(target_os = "linux")]
fn bounded(path: &str) -> Output {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 4000000; exec \"$0\" text \"$1\"", env!("CARGO_BIN_EXE_ramba"), path]);
    command.output().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn what_unpacks_without_end_is_refused() {
    let w = World::new();
    // 1 GiB of zeros in a megabyte.
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![b' '; 1 << 20];
    (0..1024).for_each(|_| encoder.write_all(&zeros).unwrap());
    let bomb = encoder.finish().unwrap();
    let hex: String = bomb.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex_of_lzw: String = lzw_of_spaces(300 << 20).iter().map(|byte| format!("{byte:02X}")).collect();
    let whole = |data: &[u8]| pdf(&[stream("/Filter /FlateDecode", data)], "");
    // What a reader that forgives goes on from: a stored block whose length is not confirmed.
    let forgiven = [b"\x78\x9c\x00\x01\x00\x00\x00 ", &bomb[2..]].concat();
    let files = [
        ("bomb.pdf", whole(&bomb)),
        ("bare.pdf", whole(&bomb[2..])),
        ("forgiven.pdf", whole(&forgiven)),
        ("hex.pdf", pdf(&[stream("/Filter [/ASCIIHexDecode /Fl#61teDecode]", hex.as_bytes())], "")),
        ("lzw.pdf", pdf(&[stream("/Filter /LZWDecode", &lzw_of_spaces(300 << 20))], "")),
        // Each time 64 times as much.
        ("runs.pdf", pdf(&[stream("/Filter [/RL /RL /RL /RL]", &[129; 40])], "")),
        ("many.pdf", pdf(&[stream("/Filter [/RL /RL /RL /RL /RL]", &[129; 40])], "")),
        // The list of filters is elsewhere.
        ("apart.pdf", pdf(&[stream("/Filter 8 0 R", hex_of_lzw.as_bytes()), b"[/AHx /LZW]".to_vec()], "")),
        ("bomb.epub", {
            let chapter: Vec<u8> = zeros.repeat(130);
            epub(&[("One", std::str::from_utf8(&chapter).unwrap())], &[])
        }),
        ("bomb.docx", {
            let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
            zip.start_file("word/document.xml", SimpleFileOptions::default()).unwrap();
            (0..300).for_each(|_| zip.write_all(&zeros).unwrap());
            zip.finish().unwrap().into_inner()
        }),
    ];
    for (name, bytes) in files {
        let path = w.write(name, bytes);
        let output = bounded(path.to_str().unwrap());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {message}");
        let said = ["unpacks to more than", "more than 4 filters", "none of 1 chapters"];
        assert!(said.iter().any(|said| message.contains(said)) && message.contains(name), "{message}");
    }
    // And what does not is read.
    for (name, filter, data) in [
        ("lzw.pdf", "/LZWDecode", lzw(b"BT /F 12 Tf 72 720 Td (first of all) Tj ET")),
        (
            "late.pdf",
            "/LZWDecode /DecodeParms << /EarlyChange 0 >>",
            lzw(b"BT /F 12 Tf 72 720 Td (first of all) Tj ET"),
        ),
        ("a85.pdf", "/ASCII85Decode", b"6<#'\\7NaE@+B2qq2_lL71,'hMA0<:4Bl\\9:+E(j7@;Ka/+B3(u78s~>".to_vec()),
    ] {
        let path = w.write(name, pdf(&[stream(&format!("/Filter {filter}"), &data)], ""));
        assert_eq!(text(path.to_str().unwrap(), &[])["text"], "first of all", "{name}");
    }
    let deep = "<w:p>".repeat(100_000);
    refused(w.write("deep.docx", docx(&deep)).to_str().unwrap(), &["deep.docx", "inside each other"]);
    let entities = "<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]><w:p><w:r><w:t>&b;</w:t></w:r></w:p>";
    let path = w.write("entities.docx", archive(&[("word/document.xml", entities.as_bytes())]));
    assert_eq!(text(path.to_str().unwrap(), &[])["text"], "&b;");
}

/// A predictor of the reader makes a row before it looks at what there is: one of a terabyte would end the process.
#[test]
#[cfg(target_os = "linux")]
fn rows_without_end_are_refused() {
    let w = World::new();
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    // Ten columns and the number of their filter, which is none.
    let content = format!("{:<100}", "BT /F 12 Tf 72 720 Td (first of all) Tj ET");
    content.as_bytes().chunks(10).for_each(|row| encoder.write_all(&[&[0], row].concat()).unwrap());
    let rows = encoder.finish().unwrap();
    let content = |parameters: &str| stream(&format!("/Filter /FlateDecode {parameters}"), &rows);
    let with = |parameters: &str, more: &[u8]| pdf(&[content(parameters), more.to_vec()], "");
    let path = w.write("rows.pdf", with("/DecodeParms << /Predictor 12 /Columns 10 >>", &lines(&[])));
    assert_eq!(text(path.to_str().unwrap(), &[])["text"], "first of all");
    let row = "/Predictor 2 /BitsPerComponent 16 /Columns";
    let table = format!(
        "%PDF-1.7\n1 0 obj\n<< /Type /XRef /Size 1 /W [1 2 1] /Filter /FlateDecode /DecodeParms << {row} 1099511627776 >> \
         /Length 8 >>\nstream\n\x78\x01\x01\nendstream\nendobj\nstartxref\n9\n%%EOF\n"
    );
    let files = [
        ("direct.pdf", with(&format!("/DecodeParms << {row} 1099511627776 >>"), b"null")),
        (
            "spelt.pdf",
            with("/DecodeParms [<< /Predictor 2 /BitsPerComponent 4 /Col#75mns%\n +1099511627776.0 >>]", b"null"),
        ),
        ("most.pdf", with(&format!("/DecodeParms << {row} 8388609 >>"), b"null")),
        ("apart.pdf", with("/DecodeParms 8 0 R", format!("<< {row} 1099511627776 >>").as_bytes())),
        ("number.pdf", with(&format!("/DecodeParms << {row} 8 0 R >>"), b"1099511627776")),
        ("table.pdf", table.into_bytes()),
    ];
    for (name, bytes) in files {
        let path = w.write(name, bytes);
        let output = bounded(path.to_str().unwrap());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {message}");
        assert!(message.contains("unpacks in rows of more than") && message.contains(name), "{message}");
    }
}

/// Codes of 9 to 12 bits, which get longer one code early, as LZW in PDF files has them; no more than a table's.
fn codes(codes: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let (mut bytes, mut bits, mut held, mut known) = (Vec::new(), 0_u64, 0, 258);
    for code in codes {
        let width = (usize::BITS - usize::leading_zeros(known)).clamp(9, 12);
        bits = bits << width | code as u64;
        held += width;
        known = if code == 256 { 258 } else { (known + 1).min(4096) };
        while held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
        bits &= (1 << held) - 1;
    }
    bytes.push((bits << (8 - held)) as u8);
    bytes
}

/// `text`, in which no string is used again.
fn lzw(text: &[u8]) -> Vec<u8> {
    codes([256].into_iter().chain(text.iter().map(|&byte| byte.into())).chain([257]))
}

/// As many spaces, or somewhat more: strings that grow by one, and then the longest of them again and again.
fn lzw_of_spaces(count: usize) -> Vec<u8> {
    let longest = std::iter::repeat_n(4095, count / 3838);
    codes([256, 32].into_iter().chain(258..4096).chain(longest).chain([257]))
}

#[test]
fn what_nests_without_end_is_read() {
    let w = World::new();
    let deep = |open: &str, inside: &str| open.repeat(200_000) + inside;
    let files = [
        ("deep.html", deep("<div>", "first")),
        ("list.html", deep("<ul><li>", "first")),
        ("table.html", deep("<table><tr><td>", "first")),
        ("bold.html", deep("<b><i>", "first")),
        ("quote.md", deep("> ", "first")),
        ("list.md", deep("- ", "first")),
        ("brackets.md", deep("[", "first")),
        ("rows.jsonl", format!("{{\"a\": {}{}, \"b\": \"first\"}}", "[".repeat(100), "]".repeat(100))),
    ];
    for (name, bytes) in files {
        let started = std::time::Instant::now();
        let path = w.write(name, bytes);
        assert!(text(path.to_str().unwrap(), &[])["text"].as_str().unwrap().contains("first"), "{name}");
        assert!(started.elapsed().as_secs() < 20, "{name}: {:?}", started.elapsed());
    }
    let rows = w.write("deep.jsonl", format!("{{\"a\": {}1", "[".repeat(200_000)));
    refused(rows.to_str().unwrap(), &["deep.jsonl"]);
    let chapter = epub(&[("One", &deep("<div>", "first"))], &[]);
    let output = ramba(&["text", w.write("deep.epub", chapter).to_str().unwrap()], None);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
}

/// A generator of numbers that are the same at every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }
}

#[test]
fn damaged_files_are_read_or_refused_and_nothing_else() {
    let w = World::new();
    let files = [
        ("a.pdf", pdf(&[lines(&["first", "second"]), lines(&["third"])], "")),
        ("a.epub", epub(&[("One", "<p>first"), ("Two", "<table><tr><td>x<td>y")], &[])),
        ("a.docx", CONTRACT()),
        ("a.html", "<html><table><tr><th>a<td>&amp;</table><p>x".into()),
        ("a.csv", "a,\"b\nc\"\n1,2\n".into()),
        ("a.md", "# a\n\n| a | b |\n|-|-|\n| 1 | 2 |\n\n> - x\n".into()),
    ];
    let mut numbers = Numbers(7);
    let mut ends = [0, 0];
    for (name, bytes) in files {
        for round in 0..30 {
            let mut damaged = bytes.clone();
            if round < 8 {
                damaged.truncate(bytes.len() * round / 8);
            } else {
                (0..1 + numbers.below(8)).for_each(|_| {
                    let at = numbers.below(damaged.len());
                    damaged[at] = numbers.below(256) as u8;
                });
            }
            let path = w.write(name, &damaged);
            let output = ramba(&["text", path.to_str().unwrap()], None);
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(
                matches!(output.status.code(), Some(0 | 1)) && !message.contains("panicked"),
                "{name}, {round}: {output:?}"
            );
            assert!(output.status.success() || message.starts_with("error: "), "{name}, {round}: {message}");
            ends[usize::from(output.status.success())] += 1;
        }
    }
    assert!(ends[0] > 20 && ends[1] > 20, "{ends:?}");
}
