//! Who may use the server: pages and programs of this machine, or those that show the token.

use std::io::Read;
use std::net::SocketAddr;

use axum::http::{HeaderMap, Uri, header};
use ramba::{Error, Result};

/// What a request has to show.
pub struct Access {
    token: Option<String>,
    /// The names by which the server is known, if it is known to this machine alone: other names in requests are those of pages elsewhere
    /// that have made a name of their own mean this machine.
    hosts: Option<Vec<String>>,
}

impl Access {
    /// For a server at `address`. Unless that is this machine's own, there is a token, made up if none is given.
    ///
    /// # Errors
    /// `Io` if the system gives no random numbers, `InvalidArgument` for a token that cannot be in a header.
    pub fn new(address: SocketAddr, token: Option<String>) -> Result<Self> {
        if token.as_ref().is_some_and(|token| token.len() < 8 || !token.chars().all(|c| c.is_ascii_graphic())) {
            return Err(Error::invalid("a token has at least 8 characters, letters and digits"));
        }
        let port = address.port();
        if address.ip().is_loopback() {
            let names = ["127.0.0.1", "[::1]", "localhost"].map(|name| format!("{name}:{port}"));
            return Ok(Self { token, hosts: Some([&names[..], &[address.to_string()]].concat()) });
        }
        Ok(Self { token: Some(token.map_or_else(random, Ok)?), hosts: None })
    }

    /// The end of the address for a browser, with the token if there is one.
    pub fn query(&self) -> String {
        self.token.as_ref().map_or(String::new(), |token| format!("?token={token}"))
    }

    /// Whether a request may be answered.
    ///
    /// # Errors
    /// A message for who sent it.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri, needs_token: bool) -> std::result::Result<(), &'static str> {
        let get = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let host = get(header::HOST).or(uri.authority().map(|authority| authority.as_str())).unwrap_or_default();
        if self.hosts.as_ref().is_some_and(|hosts| !hosts.iter().any(|known| known.eq_ignore_ascii_case(host))) {
            return Err("this server is known by another name");
        }
        // A page elsewhere says where it is from.
        if get(header::ORIGIN)
            .is_some_and(|origin| origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)))
        {
            return Err("requests of other pages are not answered");
        }
        let Some(token) = self.token.as_ref().filter(|_| needs_token) else { return Ok(()) };
        let shown = get(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        if same(shown.as_bytes(), token.as_bytes()) {
            Ok(())
        } else {
            Err("a token is needed: Authorization: Bearer TOKEN")
        }
    }
}

/// Whether two texts are the same, in a time that does not tell where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

/// Thirty-two random digits.
fn random() -> Result<String> {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|e| Error::io("making a token (give one with --token)", e))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(header::HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn this_machine_is_known_by_its_names_and_others_show_a_token() {
        let here = Access::new("127.0.0.1:80".parse().unwrap(), None).unwrap();
        let check = |access: &Access, list: &[(header::HeaderName, &str)]| {
            access.check(&headers(list), &Uri::default(), true).is_ok()
        };
        assert_eq!(here.query(), "");
        assert!(check(&here, &[(header::HOST, "localhost:80")]));
        assert!(check(&here, &[(header::HOST, "127.0.0.1:80"), (header::ORIGIN, "http://127.0.0.1:80")]));
        assert!(!check(&here, &[(header::HOST, "evil.example:80")]));
        assert!(!check(&here, &[(header::HOST, "localhost:80"), (header::ORIGIN, "http://evil.example")]));
        assert!(!check(&here, &[]));
        let there = Access::new("0.0.0.0:80".parse().unwrap(), None).unwrap();
        let token = there.query().strip_prefix("?token=").unwrap().to_owned();
        assert_eq!(token.len(), 32);
        assert!(!check(&there, &[(header::HOST, "box:80")]));
        assert!(!check(&there, &[(header::HOST, "box:80"), (header::AUTHORIZATION, "Bearer wrong")]));
        assert!(check(&there, &[(header::HOST, "box:80"), (header::AUTHORIZATION, &format!("Bearer {token}"))]));
        assert!(Access::new("0.0.0.0:80".parse().unwrap(), Some("short".into())).is_err());
    }
}
