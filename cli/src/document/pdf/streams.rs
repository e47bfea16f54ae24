//! The streams of a PDF: what they unpack to, counted before the reader unpacks them, each at once and without a bound.
//!
//! Filters are followed as the reader follows them, which forgives more than it has to: where it might go on after a mistake, the most
//! that could come is taken for what comes.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};
use hayro_interpret::hayro_syntax::object::{Array, Dict, Name, Object};
use hayro_interpret::hayro_syntax::{Filter, Pdf};
use ramba::{Error, Result};

/// Bytes that a compressed part of the file may unpack to at any stage, one that is an image, and all of them.
const STREAM: u64 = 256 << 20;
const IMAGE: u64 = 2 << 30;
const STREAMS: u64 = 8 << 30;

/// Filters one after the other on one stream.
const FILTERS: usize = 4;

/// The most bytes that one can become, of deflate (https://zlib.net/zlib_tech.html).
const DEFLATE: u64 = 1032;

/// Columns that the rows of a predictor may have. The reader makes a row of zeros, of at most 255 bits for each, before it looks at what there
/// is: no more than a stream may unpack to.
const COLUMNS: u64 = 8 << 20;

/// Bytes before a stream where its dictionary is looked for.
const DICTIONARY: usize = 4096;

/// The names of filters that make more of a stream, or less, long and short.
const NAMES: [(&[u8], Filter); 10] = [
    (b"FlateDecode", Filter::FlateDecode),
    (b"Fl", Filter::FlateDecode),
    (b"LZWDecode", Filter::LzwDecode),
    (b"LZW", Filter::LzwDecode),
    (b"RunLengthDecode", Filter::RunLengthDecode),
    (b"RL", Filter::RunLengthDecode),
    (b"ASCIIHexDecode", Filter::AsciiHexDecode),
    (b"AHx", Filter::AsciiHexDecode),
    (b"ASCII85Decode", Filter::Ascii85Decode),
    (b"A85", Filter::Ascii85Decode),
];

/// Refuses a file with streams that unpack to far more than a document has, or in far longer rows, as far as its bytes tell before anything of
/// it is read: opening it unpacks some.
///
/// # Errors
/// `Capacity`, and `Cancelled` if a signal came.
pub fn check_bytes(bytes: &[u8]) -> Result<()> {
    // Wherever the name is: what a stream is unpacked by may stand apart from it.
    for at in memchr::memchr_iter(b'/', bytes) {
        let (name, rest) = name(&bytes[at + 1..]);
        if *name == *b"Columns" {
            check_columns(number(rest)).map_err(|e| e.context(format_args!("byte {at}")))?;
        }
    }
    let mut sum = 0;
    for at in memchr::memmem::find_iter(bytes, b"stream") {
        super::super::check_stop()?;
        if bytes[..at].ends_with(b"end") {
            continue;
        }
        let data = bytes.get(at + 6..).unwrap_or_default();
        let data = data.strip_prefix(b"\r\n").or(data.strip_prefix(b"\n")).or(data.strip_prefix(b"\r")).unwrap_or(data);
        let before = &bytes[at.saturating_sub(DICTIONARY)..at];
        let dictionary = memchr::memmem::rfind(before, b"obj").map_or(&[][..], |from| &before[from..]);
        let names: Vec<Cow<[u8]>> = names(dictionary).collect();
        let mut filters = filters(&names);
        if filters.is_empty() && is_zlib(data) {
            filters.push(Filter::FlateDecode);
        }
        // The word may stand in the data too.
        let end = memchr::memmem::find(data, b"endstream").unwrap_or(data.len()).max(length(dictionary));
        let data = &data[..end.min(data.len())];
        // Images are not unpacked, unless the file says something else of them further on.
        let image = names.iter().any(|name| **name == *b"Image");
        add(&mut sum, &filters, data, image).map_err(|e| e.context(format_args!("byte {at}")))?;
    }
    Ok(())
}

/// The same for a file that is open, whose streams are known, and no longer encrypted.
///
/// # Errors
/// `Capacity`.
pub fn check(pdf: &Pdf) -> Result<()> {
    let mut sum = 0;
    for object in pdf.objects() {
        let Object::Stream(stream) = object else { continue };
        let image = stream.dict().get::<Name>(b"Subtype".as_slice()).is_some_and(|kind| &*kind == b"Image");
        let number = stream.obj_id().obj_number;
        check_rows(stream.dict())
            .and_then(|()| add(&mut sum, &stream.filters(), &stream.raw_data(), image))
            .map_err(|e| e.context(format_args!("object {number}")))?;
    }
    Ok(())
}

/// Checks the parameters of filters in the dictionary of a stream, wherever they stand.
fn check_rows(dictionary: &Dict) -> Result<()> {
    for key in [b"DecodeParms".as_slice(), b"DP"] {
        let several = dictionary.get::<Array>(key);
        let several = several.iter().flat_map(|list| list.iter::<Object>()).filter_map(Object::into_dict);
        for parameters in dictionary.get::<Dict>(key).into_iter().chain(several) {
            check_columns(parameters.get::<usize>(b"Columns".as_slice()).unwrap_or_default() as u64)?;
        }
    }
    Ok(())
}

fn check_columns(columns: u64) -> Result<()> {
    match columns {
        0..=COLUMNS => Ok(()),
        _ => Err(Error::capacity(format!("unpacks in rows of more than {COLUMNS} columns"))),
    }
}

/// Adds what a stream unpacks to.
fn add(sum: &mut u64, filters: &[Filter], data: &[u8], image: bool) -> Result<()> {
    if filters.len() > FILTERS {
        return Err(Error::capacity(format!("a stream with more than {FILTERS} filters")));
    }
    let most = if image { IMAGE } else { STREAM };
    let size = largest(filters, data, most, image);
    if size > most {
        return Err(Error::capacity(format!("unpacks to more than {most} bytes")));
    }
    *sum += size;
    if *sum > STREAMS {
        return Err(Error::capacity(format!("the file unpacks to more than {STREAMS} bytes")));
    }
    Ok(())
}

/// The filters that a dictionary with these names says; of several lists, the longest.
fn filters(names: &[Cow<[u8]>]) -> Vec<Filter> {
    let known = |name: &Cow<[u8]>| NAMES.iter().find(|(known, _)| *known == &**name).map(|(_, filter)| *filter);
    let lists = (0..names.len()).filter(|&i| matches!(&*names[i], b"Filter" | b"F"));
    let lists = lists.map(|i| names[i + 1..].iter().map_while(known).collect::<Vec<_>>());
    lists.max_by_key(Vec::len).unwrap_or_default()
}

/// The length that a dictionary says, 0 if it says none here.
fn length(dictionary: &[u8]) -> usize {
    let at = memchr::memmem::find(dictionary, b"/Length");
    at.map_or(0, |at| usize::try_from(number(&dictionary[at + 7..])).unwrap_or(usize::MAX))
}

/// The whole number that `text` begins with, after white space and comments; 0 if there is none, the largest if it is larger.
fn number(mut text: &[u8]) -> u64 {
    loop {
        text = &text[text.iter().take_while(|byte| byte.is_ascii_whitespace() || **byte == 0).count()..];
        if !text.starts_with(b"%") {
            break;
        }
        text = &text[text.iter().take_while(|byte| !b"\r\n".contains(byte)).count()..];
    }
    let digits = text.strip_prefix(b"+").unwrap_or(text).iter().map_while(|byte| (*byte as char).to_digit(10));
    digits.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(digit.into()))
}

/// The names in a dictionary, spelt out.
fn names(dictionary: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    memchr::memchr_iter(b'/', dictionary).map(|at| name(&dictionary[at + 1..]).0)
}

/// The name that `text` begins with, spelt out, and what comes after it.
fn name(text: &[u8]) -> (Cow<'_, [u8]>, &[u8]) {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0 || b"/()<>[]{}%".contains(byte);
    let (name, after) = text.split_at(text.iter().position(ends).unwrap_or(text.len()));
    if !name.contains(&b'#') {
        return (Cow::Borrowed(name), after);
    }
    let (mut spelt, mut rest) = (Vec::new(), name);
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| Some((digit(two[0])?, digit(two[1])?)));
        match digits.filter(|_| *first == b'#') {
            Some((high, low)) => {
                spelt.push(high << 4 | low);
                rest = &after[2..];
            }
            None => {
                spelt.push(*first);
                rest = after;
            }
        }
    }
    (Cow::Owned(spelt), after)
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|digit| digit as u8)
}

/// Whether `data` begins as what zlib has compressed: with a multiple of 31, and the only method there is.
fn is_zlib(data: &[u8]) -> bool {
    matches!(*data, [first, second, ..] if first & 0xf == 8 && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31))
}

/// The most bytes that `data` is at any stage of `filters`, counted up to a little more than `most`.
fn largest(filters: &[Filter], data: &[u8], most: u64, image: bool) -> u64 {
    let Some((filter, rest)) = filters.split_first() else { return 0 };
    let mut largest = 0;
    // Some may be read in two ways.
    for way in [false, true] {
        let mut out = Out { count: 0, most, kept: (!rest.is_empty()).then(Vec::new) };
        match filter {
            Filter::FlateDecode => inflate(data, way, image, &mut out),
            Filter::LzwDecode => lzw(data, way, &mut out),
            _ if way => continue,
            Filter::RunLengthDecode => run_length(data, &mut out),
            Filter::AsciiHexDecode => ascii_hex(data, &mut out),
            Filter::Ascii85Decode => ascii_85(data, &mut out),
            Filter::Crypt => out.push(data),
            // What these make is an image.
            Filter::CcittFaxDecode | Filter::Jbig2Decode | Filter::DctDecode | Filter::JpxDecode => return largest,
        }
        largest = largest.max(out.count);
        if largest <= most
            && let Some(kept) = &out.kept
        {
            largest = largest.max(self::largest(rest, kept, most, image));
        }
        if largest > most {
            break;
        }
    }
    largest
}

/// What a filter makes, counted, and kept if another one follows.
struct Out {
    count: u64,
    most: u64,
    kept: Option<Vec<u8>>,
}

impl Out {
    fn push(&mut self, bytes: &[u8]) {
        self.count += bytes.len() as u64;
        if let Some(kept) = self.kept.as_mut().filter(|_| self.count <= self.most) {
            kept.extend_from_slice(bytes);
        }
    }

    fn is_full(&self) -> bool {
        self.count > self.most
    }
}

/// Deflate; `bare` for data that has no head of zlib.
fn inflate(data: &[u8], bare: bool, image: bool, out: &mut Out) {
    let headed = is_zlib(data);
    // Without a head, there is one way only.
    if bare && !headed {
        return;
    }
    let mut rest = if headed && !bare { &data[2..] } else { data };
    let (mut decoder, mut block) = (Decompress::new(false), vec![0; 64 << 10]);
    loop {
        let (read, written) = (decoder.total_in(), decoder.total_out());
        let done = decoder.decompress(rest, &mut block, FlushDecompress::None);
        rest = &rest[(decoder.total_in() - read) as usize..];
        let got = (decoder.total_out() - written) as usize;
        out.push(&block[..got]);
        match done {
            Ok(Status::StreamEnd) => return,
            Ok(_) if out.is_full() || got == 0 && rest.is_empty() => return,
            Ok(Status::BufError) if got == 0 => return,
            Ok(_) => {}
            // The reader may go on.
            Err(_) => {
                if !bare && !image {
                    out.count = out.count.saturating_add(DEFLATE * rest.len() as u64);
                }
                return;
            }
        }
    }
}

/// LZW with codes of 9 to 12 bits, which get longer one code early, or not.
fn lzw(data: &[u8], late: bool, out: &mut Out) {
    const CLEAR: usize = 256;
    const END: usize = 257;
    const CODES: usize = 4096;
    /// A string: that of a code before it, if it has one, and a byte more.
    #[derive(Clone, Copy)]
    struct Entry {
        before: usize,
        byte: u8,
        first: u8,
        len: usize,
    }
    let bytes = (0..=255).map(|byte| Entry { before: CODES, byte, first: byte, len: 1 });
    let none = Entry { before: CODES, byte: 0, first: 0, len: 0 };
    let start: Vec<Entry> = bytes.chain([none, none]).collect();
    let (mut table, mut last) = (start.clone(), None);
    let (mut bits, mut held, mut string) = (0_u32, 0, Vec::new());
    let mut bytes = data.iter();
    loop {
        let next = table.len() + usize::from(!late);
        let width = (usize::BITS - next.leading_zeros()).clamp(9, 12);
        while held < width {
            let Some(byte) = bytes.next() else { return };
            bits = bits << 8 | u32::from(*byte);
            held += 8;
        }
        let code = (bits >> (held - width)) as usize & ((1 << width) - 1);
        held -= width;
        if code == CLEAR {
            (table, last) = (start.clone(), None);
            continue;
        }
        if code == END {
            return;
        }
        let new = last.map(|last: usize| {
            let (before, first) = (table[last], table.get(code).map_or(table[last].first, |entry| entry.first));
            Entry { before: last, byte: first, first: before.first, len: before.len + 1 }
        });
        if let Some(new) = new.filter(|_| table.len() < CODES) {
            table.push(new);
        }
        let Some(entry) = table.get(code) else { return };
        if out.kept.is_some() {
            string.clear();
            let mut at = code;
            while let Some(entry) = table.get(at) {
                string.push(entry.byte);
                at = entry.before;
            }
            string.reverse();
            out.push(&string);
        } else {
            out.count += entry.len as u64;
        }
        if out.is_full() {
            return;
        }
        last = Some(code);
    }
}

fn run_length(mut data: &[u8], out: &mut Out) {
    while let Some((&length, rest)) = data.split_first().filter(|_| !out.is_full()) {
        match length {
            128 => return,
            0..=127 => {
                let (bytes, rest) = rest.split_at(rest.len().min(usize::from(length) + 1));
                out.push(bytes);
                data = rest;
            }
            _ => {
                let Some((&byte, rest)) = rest.split_first() else { return };
                out.push(&[byte; 128][..257 - usize::from(length)]);
                data = rest;
            }
        }
    }
}

fn ascii_hex(data: &[u8], out: &mut Out) {
    let mut high = None;
    for digit in data.iter().take_while(|&&byte| byte != b'>').filter_map(|&byte| digit(byte)) {
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.push(&[high << 4 | digit]),
        }
        if out.is_full() {
            return;
        }
    }
    if let Some(high) = high {
        out.push(&[high << 4]);
    }
}

fn ascii_85(data: &[u8], out: &mut Out) {
    let mut group = Vec::new();
    let value = |group: &[u8]| {
        let digits = (0..5).map(|i| group.get(i).map_or(84, |byte| u32::from(byte - b'!')));
        digits.fold(0_u32, |value, digit| value.wrapping_mul(85).wrapping_add(digit)).to_be_bytes()
    };
    for &byte in data.iter().take_while(|&&byte| byte != b'~') {
        match byte {
            b'z' if group.is_empty() => out.push(&[0; 4]),
            b'!'..=b'u' => group.push(byte),
            _ => {}
        }
        if group.len() == 5 {
            out.push(&value(&group));
            group.clear();
        }
        if out.is_full() {
            return;
        }
    }
    if group.len() > 1 {
        out.push(&value(&group)[..group.len() - 1]);
    }
}
