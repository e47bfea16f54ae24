//! The page and the API over HTTP.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use ramba::{Cancel, Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::access::Access;
use super::chat;
use super::shelf::Shelf;
use crate::answers;

/// Bytes that a document may have.
const UPLOAD: u64 = 1 << 30;

/// All that the server answers.
pub fn routes(shelf: Arc<Shelf>, access: Arc<Access>) -> Router {
    // Files of the page show nothing of the library, and a browser asks for them before the page can show a token.
    let page = Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", include_str!("page.html")) }))
        .route("/page.css", get(|| async { file("text/css", include_str!("page.css")) }))
        .route("/page.js", get(|| async { file("text/javascript", include_str!("page.js")) }))
        .layer(middleware::from_fn_with_state((Arc::clone(&access), false), guard));
    let api = Router::new()
        .route("/api/documents", get(documents))
        .route("/api/documents/{name}", put(add).delete(remove))
        .route("/api/documents/{name}/text", get(text))
        .route("/api/documents/{name}/original", get(original))
        .route("/api/ask", post(ask))
        .route("/v1/models", get(chat::models))
        .route("/v1/chat/completions", post(chat::completions))
        .layer(middleware::from_fn_with_state((access, true), guard))
        .with_state(shelf);
    page.merge(api)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Lets requests through that may be answered, and keeps pages from loading or sending anything elsewhere.
async fn guard(State((access, needs_token)): State<(Arc<Access>, bool)>, request: Request, next: Next) -> Response {
    let mut response = match access.check(request.headers(), request.uri(), needs_token) {
        Ok(()) => next.run(request).await,
        Err(why) => {
            let status = if why.starts_with("a token") { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
            (status, Json(json!({"error": {"message": why, "type": "access"}}))).into_response()
        }
    };
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                  frame-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// An error as programs get it.
pub fn error_json(e: &Error) -> Value {
    json!({"error": {"message": e.to_string(), "type": format!("{:?}", e.kind())}})
}

/// The same as a response.
pub struct Failed(pub Error);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = match self.0.kind() {
            ErrorKind::InvalidArgument | ErrorKind::Format | ErrorKind::Unsupported => StatusCode::BAD_REQUEST,
            ErrorKind::Busy => StatusCode::CONFLICT,
            ErrorKind::Capacity => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(error_json(&self.0))).into_response()
    }
}

/// Runs `work`, which takes its time, on a thread for such.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> std::result::Result<T, Failed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Failed),
        Err(e) => Err(Failed(Error::new(ErrorKind::Io, format!("the server failed: {e}")))),
    }
}

/// Whether who asked is still there, and what is to be stopped when not.
#[derive(Clone, Default)]
pub struct Listener {
    state: Arc<Mutex<Listening>>,
}

#[derive(Default)]
struct Listening {
    gone: bool,
    cancel: Option<Cancel>,
}

impl Listener {
    fn state(&self) -> MutexGuard<'_, Listening> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, `cancel` is called when who asked is gone.
    pub fn watch(&self, cancel: Cancel) {
        let mut state = self.state();
        if state.gone {
            cancel.cancel();
        }
        state.cancel = Some(cancel);
    }

    /// All is done: nothing is to be stopped any more.
    pub fn done(&self) {
        self.state().cancel = None;
    }
}

/// Who asked; gone when this is dropped.
pub struct Asker(pub Listener);

impl Drop for Asker {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.gone = true;
        if let Some(cancel) = &state.cancel {
            cancel.cancel();
        }
    }
}

/// Where what is said on the way goes.
pub struct Line {
    sender: mpsc::Sender<String>,
    pub listener: Listener,
}

impl Line {
    /// Says `text`.
    ///
    /// # Errors
    /// `Cancelled` if nobody listens.
    pub fn say(&self, text: String) -> Result<()> {
        let gone = |_| Error::new(ErrorKind::Cancelled, "nobody waits for it any more");
        self.sender.blocking_send(text).map_err(gone)
    }
}

/// A response of lines that `work` says, on a thread for such.
pub fn lines(kind: &'static str, work: impl FnOnce(&Line) + Send + 'static) -> Response {
    let (sender, receiver) = mpsc::channel(64);
    let listener = Listener::default();
    let asker = Asker(listener.clone());
    tokio::task::spawn_blocking(move || {
        let line = Line { sender, listener };
        work(&line);
        line.listener.done();
    });
    let stream = ReceiverStream::new(receiver).map(move |text| {
        // Dropped with the stream.
        let _asker = &asker;
        Ok::<_, std::convert::Infallible>(Bytes::from(text))
    });
    ([(header::CONTENT_TYPE, kind)], Body::from_stream(stream)).into_response()
}

const JSON_LINES: &str = "application/x-ndjson";

async fn documents(State(shelf): State<Arc<Shelf>>) -> std::result::Result<Json<Value>, Failed> {
    blocking(move || shelf.documents()).await.map(Json)
}

/// The body is the file. What comes back is a JSON object a line: `progress`, and in the end `document` or `error`.
async fn add(State(shelf): State<Arc<Shelf>>, Path(name): Path<String>, body: Body) -> Response {
    let io = |e| Failed(Error::io("keeping the file for the time it is read", e));
    let mut file = match tempfile::tempfile() {
        Ok(file) => file,
        Err(e) => return io(e).into_response(),
    };
    let (mut body, mut size) = (body.into_data_stream(), 0);
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return StatusCode::BAD_REQUEST.into_response() };
        size += piece.len() as u64;
        if size > UPLOAD {
            return Failed(Error::capacity(format!("more than {UPLOAD} bytes"))).into_response();
        }
        if let Err(e) = file.write_all(&piece) {
            return io(e).into_response();
        }
    }
    if let Err(e) = file.seek(SeekFrom::Start(0)) {
        return io(e).into_response();
    }
    lines(JSON_LINES, move |line| {
        let mut said = |value: Value| line.say(format!("{value}\n"));
        if let Err(e) = shelf.add(&name, file, |cancel| line.listener.watch(cancel), &mut said) {
            // Nobody may be there to hear it.
            drop(line.say(format!("{}\n", error_json(&e))));
        }
    })
}

async fn remove(State(shelf): State<Arc<Shelf>>, Path(name): Path<String>) -> std::result::Result<StatusCode, Failed> {
    blocking(move || shelf.remove(&name)).await.map(|()| StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Place {
    start: u64,
    end: u64,
}

async fn text(
    State(shelf): State<Arc<Shelf>>,
    Path(name): Path<String>,
    Query(place): Query<Place>,
) -> std::result::Result<Json<Value>, Failed> {
    blocking(move || shelf.text(&name, place.start, place.end)).await.map(Json)
}

/// The file itself, as a PDF whatever it holds: a browser runs no script of it, and takes it for nothing else.
async fn original(State(shelf): State<Arc<Shelf>>, Path(name): Path<String>) -> std::result::Result<Response, Failed> {
    let mut original = blocking(move || shelf.original(&name)).await?;
    let length = original.len();
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut block = vec![0; 64 << 10];
            let read = original.read(&mut block).map(|got| block.truncate(got));
            let last = read.is_err() || block.is_empty();
            // Nobody may be there to take it.
            if !block.is_empty() && sender.blocking_send(read.map(|()| Bytes::from(block))).is_err() || last {
                return;
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/pdf".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::CONTENT_DISPOSITION, "inline".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox".to_owned()),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

#[derive(Deserialize)]
struct Ask {
    question: String,
    documents: Option<Vec<String>>,
    max_tokens: Option<usize>,
}

/// What comes back is a JSON object a line: `text` as it is written, and in the end `answer` or `error`.
async fn ask(State(shelf): State<Arc<Shelf>>, Json(ask): Json<Ask>) -> Response {
    lines(JSON_LINES, move |line| {
        let mut say = |text: &str| match line.say(format!("{}\n", json!({"text": text}))) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        };
        let answer =
            shelf.ask(&ask.question, ask.documents, ask.max_tokens, |cancel| line.listener.watch(cancel), &mut say);
        let said = match answer {
            Ok(answer) => json!({"answer": answers::json(&ask.question, &answer)}),
            Err(e) => error_json(&e),
        };
        drop(line.say(format!("{said}\n")));
    })
}
