//! `ramba serve`: a library of documents on a local page, and over HTTP for programs.
//!
//! The page and all that it needs is in the program; nothing is fetched from elsewhere.

mod access;
mod chat;
mod shelf;
mod web;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ramba::{AskOptions, Error, Library, Result};
use tokio::net::TcpListener;

use crate::interrupt;
use crate::show::print;
use access::Access;
use shelf::Shelf;

/// Where the server listens, and who may use it.
pub struct Listen {
    /// The address; others than this machine's own need a token.
    pub host: IpAddr,
    /// The port; 0 for any.
    pub port: u16,
    /// What programs and browsers have to show, if anything.
    pub token: Option<String>,
}

/// What is served.
pub struct Served {
    /// The documents.
    pub library: Library,
    /// How the model is called.
    pub model: String,
    /// How questions are asked.
    pub options: AskOptions,
    /// Whether files that have pages are kept, to be shown.
    pub originals: bool,
}

/// Serves a library until a signal comes.
///
/// # Errors
/// `Io` if the address cannot be had, and `Cancelled` when a signal came.
pub fn run(served: Served, listen: Listen) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| Error::io("starting the server", e))?;
    let shelf = Arc::new(Shelf::new(served));
    let done = runtime.block_on(serve(Arc::clone(&shelf), listen));
    // What still runs was asked to stop.
    runtime.shutdown_timeout(Duration::from_secs(10));
    done?;
    interrupt::check()
}

async fn serve(shelf: Arc<Shelf>, listen: Listen) -> Result<()> {
    let wanted = SocketAddr::new(listen.host, listen.port);
    let listener = TcpListener::bind(wanted).await.map_err(|e| {
        let other = match e.kind() {
            std::io::ErrorKind::AddrInUse => " (--port names another port, 0 any)",
            _ => "",
        };
        Error::io(format!("listening on {wanted}{other}"), e)
    })?;
    let address = listener.local_addr().map_err(|e| Error::io("listening", e))?;
    let access = Access::new(address, listen.token)?;
    print(format!("http://{address}/{}", access.query()))?;
    let app = web::routes(Arc::clone(&shelf), Arc::new(access));
    let stopped = async move {
        while interrupt::asked().is_continue() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        shelf.stop();
    };
    axum::serve(listener, app).with_graceful_shutdown(stopped).await.map_err(|e| Error::io("serving", e))
}
