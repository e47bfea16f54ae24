//! PDF: the text of its pages, in the order in which they are drawn, without what stands on every page.
//!
//! Pages are read on a thread of their own: what a damaged file makes of the reader ends there, and a page that takes for ever is not
//! waited for.

mod streams;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use std::{panic, thread};

use hayro_interpret::font::GlyphRun;
use hayro_interpret::hayro_cmap::BfString;
use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};
use hayro_interpret::kurbo::{Affine, BezPath, Point, Rect};
use hayro_interpret::{
    BlendMode, ClipPath, Context, Device, DrawMode, DrawProps, Image, ImageDrawProps, InterpreterCache,
    InterpreterSettings, SoftMask, interpret_page,
};
use ramba::{Error, Result};

use super::page::{Glyph, Page, write};
use super::writer::Writer;

/// Bytes that a file may have.
pub const FILE: u64 = 1 << 30;

/// Glyphs and images that a page may have.
const GLYPHS: usize = 2_000_000;

/// How long a page may take.
const PAGE_TIME: Duration = Duration::from_secs(60);

/// The stack of the thread that reads.
const STACK: usize = 64 << 20;

/// What the thread finds.
enum Found {
    /// How many pages there are.
    Pages(usize),
    Page(Box<Page>),
    /// Why there are none.
    Failed(Error),
}

/// Reads a document.
///
/// # Errors
/// `Unsupported` if it is encrypted or nothing but images, `Format` if it is damaged, `Capacity` if it unpacks to too much, and those of
/// the output.
pub fn read(bytes: Vec<u8>, writer: &mut Writer) -> Result<()> {
    streams::check_bytes(&bytes)?;
    let (sender, receiver) = sync_channel(4);
    quiet_panics();
    let thread = thread::Builder::new().name(THREAD.into()).stack_size(STACK);
    thread.spawn(move || read_pages(bytes, &sender)).map_err(|e| Error::io("starting a thread", e))?;
    let count = match next(&receiver)? {
        Some(Found::Pages(count)) => count,
        Some(Found::Failed(e)) => return Err(e),
        Some(Found::Page(_)) | None => return Err(damaged()),
    };
    let mut pages = std::iter::from_fn(|| match next(&receiver) {
        Ok(Some(Found::Page(page))) => Some(Ok(*page)),
        Ok(Some(Found::Failed(e))) | Err(e) => Some(Err(e)),
        Ok(Some(Found::Pages(_)) | None) => None,
    });
    write(count, &mut pages, writer)
}

fn damaged() -> Error {
    Error::format("a damaged PDF file")
}

/// What comes next from the thread; None if nothing does.
fn next(receiver: &Receiver<Found>) -> Result<Option<Found>> {
    let started = Instant::now();
    loop {
        super::check_stop()?;
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(found) => return Ok(Some(found)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) if started.elapsed() > PAGE_TIME => {
                return Err(Error::capacity(format!("a page takes more than {} s to read", PAGE_TIME.as_secs())));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

const THREAD: &str = "ramba-pdf";

/// A panic in the thread that reads is told by its page, and not on standard error.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() == Some(THREAD) {
                log::debug!("{info}");
            } else {
                before(info);
            }
        }));
    });
}

/// Sends what is in the file, until nobody wants it any more.
fn read_pages(bytes: Vec<u8>, sender: &SyncSender<Found>) {
    let opened = panic::catch_unwind(|| Pdf::new(bytes));
    let pdf = match opened {
        Ok(Ok(pdf)) => pdf,
        Ok(Err(LoadPdfError::Decryption(e))) => {
            let message = match e {
                DecryptionError::PasswordProtected => "it is encrypted and needs a password: save it without one",
                _ => "it is encrypted in a way that is not known: save it without encryption",
            };
            drop(sender.send(Found::Failed(Error::unsupported(message))));
            return;
        }
        Ok(Err(LoadPdfError::Invalid)) | Err(_) => {
            drop(sender.send(Found::Failed(damaged())));
            return;
        }
    };
    // What a panic leaves out is not known to be harmless.
    let checked = panic::catch_unwind(panic::AssertUnwindSafe(|| streams::check(&pdf)));
    if let Err(e) = checked.unwrap_or_else(|_| Err(damaged())) {
        drop(sender.send(Found::Failed(e)));
        return;
    }
    let count = panic::catch_unwind(panic::AssertUnwindSafe(|| pdf.pages().len())).unwrap_or_default();
    if sender.send(Found::Pages(count)).is_err() {
        return;
    }
    let mut cache = InterpreterCache::new();
    for number in 0..count {
        let page = panic::catch_unwind(panic::AssertUnwindSafe(|| read_page(&pdf, number, &cache)));
        let page = page.unwrap_or_else(|_| {
            // What it has left is not relied on.
            cache = InterpreterCache::new();
            Page { broken: true, ..Page::default() }
        });
        if sender.send(Found::Page(Box::new(page))).is_err() {
            return;
        }
    }
}

fn read_page<'a>(pdf: &'a Pdf, number: usize, cache: &InterpreterCache<'a>) -> Page {
    let page = &pdf.pages()[number];
    let (width, height) = page.render_dimensions();
    let area = Rect::new(0.0, 0.0, f64::from(width), f64::from(height));
    let upright = page.initial_transform(true);
    let upright = Affine::new(upright.as_coeffs());
    let mut context = Context::new(upright, area, cache, pdf.xref(), InterpreterSettings::default());
    let mut collector = Collector { page: Page { height: f64::from(height), ..Page::default() } };
    interpret_page(page, &mut context, &mut collector);
    collector.page
}

/// Collects the glyphs of a page.
struct Collector {
    page: Page,
}

impl<'a> Device<'a> for Collector {
    fn draw_glyph_run(&mut self, run: &GlyphRun<'_, 'a>, props: DrawProps<'a>, _: &DrawMode) {
        for glyph in run.glyphs() {
            if self.page.glyphs.len() >= GLYPHS {
                self.page.cut = true;
                return;
            }
            let text = match glyph.as_unicode() {
                Some(BfString::Char(c)) => c.to_string(),
                Some(BfString::String(text)) => text,
                None => {
                    self.page.unknown += 1;
                    '\u{fffd}'.to_string()
                }
            };
            let place = props.transform * glyph.transform();
            let advance = match &**glyph {
                hayro_interpret::font::Glyph::Outline(glyph) => glyph.advance_width(),
                hayro_interpret::font::Glyph::Type3(glyph) => glyph.advance_width(),
            };
            let (start, end) = (place * Point::ZERO, place * Point::new(f64::from(advance.unwrap_or(500.0)), 0.0));
            // The height of a capital and a bit, whatever way the text runs.
            let [_, _, c, d, _, _] = place.as_coeffs();
            let size = 1000.0 * c.hypot(d);
            if [start.x, start.y, end.x, end.y, size].iter().all(|v| v.is_finite()) {
                self.page.glyphs.push(Glyph { text, start: (start.x, start.y), end: (end.x, end.y), size });
            }
        }
    }

    fn draw_image(&mut self, _: Image<'a, '_>, _: ImageDrawProps<'a>) {
        self.page.images += 1;
    }

    fn draw_path(&mut self, _: &BezPath, _: DrawProps<'a>, _: &DrawMode) {
        self.page.paths += 1;
    }

    fn push_clip_path(&mut self, _: &ClipPath) {}
    fn push_transparency_group(&mut self, _: f32, _: Option<SoftMask<'a>>, _: BlendMode) {}
    fn pop_clip(&mut self) {}
    fn pop_transparency_group(&mut self) {}
}
