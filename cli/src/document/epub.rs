//! EPUB: the chapters of a book in their order.

use std::collections::HashMap;

use ramba::{Error, ErrorKind, Result};

use super::archive::{Archive, Xml, xml};
use super::blocks::{Outline, words};
use super::html::Page;
use super::writer::Writer;

/// Reads a book.
///
/// # Errors
/// Those of the archive and the output; `Unsupported` if all of the book is encrypted.
pub fn read(bytes: Vec<u8>, writer: &mut Writer) -> Result<()> {
    let mut archive = Archive::open(bytes)?;
    note_encryption(&mut archive)?;
    let package = package(&mut archive)?;
    let titles = titles(&mut archive, &package)?;
    let mut outline = Outline::default();
    let (mut chapter, mut read, mut encrypted) = (String::new(), 0, 0);
    for (i, path) in package.spine.iter().enumerate() {
        super::check_stop()?;
        let place =
            |chapter: &str| Some(if chapter.is_empty() { format!("part {}", i + 1) } else { chapter.to_owned() });
        let page = match archive.part(path) {
            Ok(Some(bytes)) => Page::parse(&super::html::to_text(&bytes)?),
            Ok(None) => {
                writer.note(place(""), format!("{path} is not in the file"));
                continue;
            }
            Err(e) if matches!(e.kind(), ErrorKind::Format | ErrorKind::Unsupported) => {
                encrypted += usize::from(e.kind() == ErrorKind::Unsupported);
                writer.note(place(titles.get(path).map_or("", String::as_str)), e.to_string());
                continue;
            }
            Err(e) => return Err(e),
        };
        if Some(path) == package.navigation.as_ref() && !package.navigation_is_read {
            continue;
        }
        read += 1;
        // Parts without a title of their own go on with the chapter before.
        if let Some(title) = titles.get(path).cloned().or_else(|| page.heading()) {
            chapter = title;
        }
        outline.begin(&chapter, writer);
        let count = page.blocks().count();
        for (at, block) in page.blocks().enumerate() {
            // Chapters as if they were of one length.
            writer.progress((i * count + at) as u64, (package.spine.len() * count) as u64);
            outline.write(&block.without_places(), writer)?;
        }
    }
    if read == 0 && encrypted > 0 {
        return Err(Error::unsupported("the book is encrypted (DRM)"));
    }
    Ok(())
}

/// What a book consists of.
struct Package {
    /// The parts in the order of reading.
    spine: Vec<String>,
    /// The tables of contents, of EPUB 3 and 2; and whether that of EPUB 3 is a page for readers.
    navigation: Option<String>,
    navigation_is_read: bool,
    ncx: Option<String>,
}

/// Encrypted parts other than fonts.
fn note_encryption(archive: &mut Archive) -> Result<()> {
    const LIST: &str = "META-INF/encryption.xml";
    let Some(_) = archive.has(LIST).then_some(()) else { return Ok(()) };
    let text = archive.text(LIST)?;
    let mut parts = Vec::new();
    xml(LIST, &text, &mut |event| {
        if let Xml::Start("CipherReference", attributes) = event {
            parts.extend(attributes.get("URI"));
        }
        Ok(())
    })?;
    parts.into_iter().for_each(|part| archive.encrypt(decoded(&part)));
    Ok(())
}

fn package(archive: &mut Archive) -> Result<Package> {
    let container = archive.text("META-INF/container.xml")?;
    let mut root = None;
    xml("container.xml", &container, &mut |event| {
        if let Xml::Start("rootfile", attributes) = event {
            root = root.take().or(attributes.get("full-path"));
        }
        Ok(())
    })?;
    let root = root.ok_or_else(|| Error::format("container.xml names no package"))?;
    let text = archive.text(&root)?;
    let mut items = HashMap::new();
    let mut package = Package { spine: Vec::new(), navigation: None, navigation_is_read: false, ncx: None };
    let mut spine = Vec::new();
    xml(&root, &text, &mut |event| {
        match event {
            Xml::Start("item", attributes) => {
                if let (Some(id), Some(href)) = (attributes.get("id"), attributes.get("href")) {
                    let path = join(&root, &href);
                    if attributes.get("properties").is_some_and(|p| p.split_whitespace().any(|p| p == "nav")) {
                        package.navigation = Some(path.clone());
                    }
                    if attributes.get("media-type").as_deref() == Some("application/x-dtbncx+xml") {
                        package.ncx = Some(path.clone());
                    }
                    items.insert(id, path);
                }
            }
            Xml::Start("itemref", attributes) => spine.extend(attributes.get("idref")),
            _ => {}
        }
        Ok(())
    })?;
    package.spine = spine.iter().filter_map(|id| items.get(id).cloned()).collect();
    if package.spine.is_empty() {
        return Err(Error::format(format!("{root}: the book has no parts in its order of reading")));
    }
    // The table of contents is for programs, unless there is nothing else.
    package.navigation_is_read = package.spine.len() == 1;
    Ok(package)
}

/// The titles of parts, as the tables of contents have them.
fn titles(archive: &mut Archive, package: &Package) -> Result<HashMap<String, String>> {
    let mut titles = HashMap::new();
    for (path, is_navigation) in [(&package.navigation, true), (&package.ncx, false)] {
        let Some(path) = path.as_ref().filter(|path| titles.is_empty() && archive.has(path)) else { continue };
        let text = match archive.text(path) {
            Err(e) if e.kind() == ErrorKind::Unsupported => continue,
            text => text?,
        };
        let (mut target, mut title, mut inside) = (None, String::new(), false);
        let (link, label) = if is_navigation { ("a", "a") } else { ("content", "text") };
        let mut contents = !is_navigation;
        let listed = xml(path, &text, &mut |event| {
            match event {
                Xml::Start("nav", attributes) => contents = attributes.get("type").is_none_or(|kind| kind == "toc"),
                Xml::Start(name, attributes) if name == link || name == label => {
                    if name == label {
                        (title, inside) = (String::new(), true);
                    }
                    if name == link {
                        target = attributes.get(if is_navigation { "href" } else { "src" });
                    }
                }
                Xml::Text(text) if inside => title += text,
                Xml::End(name) if name == link || name == label => {
                    inside &= name != label;
                    if name == link
                        && contents
                        && let Some(target) = target.take()
                    {
                        let target = join(path, target.split('#').next().unwrap_or_default());
                        // The first of several in a part is the one that it begins with.
                        titles.entry(target).or_insert_with(|| words(&title));
                    }
                }
                _ => {}
            }
            Ok(())
        });
        // Without titles a book can be read all the same: chapters are called by their headings.
        if let Err(e) = listed {
            log::info!("{e}");
        }
    }
    titles.retain(|_, title| !title.is_empty());
    Ok(titles)
}

/// The path of what `base` refers to as `href`.
fn join(base: &str, href: &str) -> String {
    let href = decoded(href);
    let mut path: Vec<&str> = base.split('/').collect();
    path.pop();
    if href.starts_with('/') {
        path.clear();
    }
    for part in href.split('/') {
        match part {
            ".." => drop(path.pop()),
            "" | "." => {}
            part => path.push(part),
        }
    }
    path.join("/")
}

/// `text` with `%20` and the like as characters.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
