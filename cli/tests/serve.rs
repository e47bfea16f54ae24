//! The server: its API, and its page in a real browser.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::pdf::{pdf, tinted};

const FACT: &str = "The pass key of QXRT is 482913.";
const QUESTION: &str = "What is the pass key of QXRT?";

/// A server, ended with this.
struct Server {
    child: Child,
    /// `127.0.0.1:PORT`.
    host: String,
}

impl Server {
    fn start(library: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ramba"));
        command.arg("serve").arg(library).args(["--port", "0"]).args(more).stdout(Stdio::piped());
        command.env("RAMBA_MODEL", test_support::shipped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let host = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { child, host: host.split('/').next().unwrap().to_owned() }
    }

    fn request(&self, method: &str, path: &str, body: &[u8], headers: &str) -> (u16, String) {
        request(&self.host, method, path, body, headers)
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, text) =
            self.request(method, path, body.to_string().as_bytes(), "Content-Type: application/json\r\n");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}: {text}"))
    }

    fn names(&self) -> Vec<String> {
        let (_, text) = self.request("GET", "/api/documents", b"", "");
        let json: Value = serde_json::from_str(&text).unwrap();
        json["documents"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Ends it as Ctrl-C does.
    fn end(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request, and its answer.
fn request(host: &str, method: &str, path: &str, body: &[u8], headers: &str) -> (u16, String) {
    let (status, _, bytes) = exchange(host, method, path, body, headers);
    (status, String::from_utf8(bytes).unwrap())
}

/// The same, with the headers of the answer in small letters.
fn exchange(host: &str, method: &str, path: &str, body: &[u8], headers: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(host).unwrap();
    let host = if headers.contains("Host:") { String::new() } else { format!("Host: {host}\r\n") };
    let head = format!(
        "{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // It may be refused before it was sent.
    let _ = stream.write_all(body);
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let (mut length, mut chunked, mut all) = (None, false, String::new());
    loop {
        line.clear();
        answer.read_line(&mut line).unwrap();
        let header = line.trim().to_lowercase();
        if header.is_empty() {
            break;
        }
        all += &format!("{header}\n");
        length = header.strip_prefix("content-length:").map(|n| n.trim().parse().unwrap()).or(length);
        chunked |= header.starts_with("transfer-encoding:") && header.contains("chunked");
    }
    let mut bytes = Vec::new();
    match length {
        Some(length) => {
            bytes.resize(length, 0);
            answer.read_exact(&mut bytes).unwrap();
        }
        None if chunked => loop {
            line.clear();
            answer.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            let at = bytes.len();
            bytes.resize(at + size + 2, 0);
            answer.read_exact(&mut bytes[at..]).unwrap();
            bytes.truncate(at + size);
            if size == 0 {
                break;
            }
        },
        None => drop(answer.read_to_end(&mut bytes).unwrap()),
    }
    (status, all, bytes)
}

fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A document of `bytes` with a fact in its middle.
fn long(bytes: usize) -> String {
    let filler = "It was a bright cold day in the village, and the ferryman had a letter in his pocket. ";
    let half = filler.repeat(bytes / filler.len() / 2);
    format!("{half}{FACT} {half}")
}

#[test]
fn documents_are_added_asked_and_removed_over_http() {
    let dir = TempDir::new().unwrap();
    let library = dir.path().join("library");
    let server = Server::start(&library, &[]);
    assert_eq!(server.request("GET", "/api/documents", b"", ""), (200, r#"{"documents":[]}"#.into()));
    let (status, text) =
        server.request("POST", "/api/ask", b"{\"question\": \"What?\"}", "Content-Type: application/json\r\n");
    assert!(status == 200 && text.contains("no documents"), "{text}");

    let (status, text) =
        server.request("PUT", "/api/documents/keys%20%26%20more.md", format!("# Keys\n\n{FACT}\n").as_bytes(), "");
    let last = events(&text).pop().unwrap();
    assert_eq!((status, &last["document"]["format"]), (200, &"Markdown".into()), "{text}");
    let (_, text) =
        server.request("PUT", "/api/documents/long.txt", long(2_000_000).replace("QXRT", "ABCD").as_bytes(), "");
    let said = events(&text);
    assert!(said.iter().any(|event| event["progress"]["done"].as_f64().is_some_and(|part| part > 0.0)), "{text}");
    assert!(said.last().unwrap()["document"].is_object(), "{text}");
    let (_, text) = server.request("PUT", "/api/documents/bad.pdf", b"%PDF-1.7 nothing", "");
    assert!(events(&text).pop().unwrap()["error"]["message"].as_str().unwrap().contains("damaged"), "{text}");
    let (_, text) = server.request("PUT", "/api/documents/empty.txt", b"", "");
    assert!(events(&text).pop().unwrap()["error"]["message"].as_str().unwrap().contains("no text"), "{text}");
    assert_eq!(server.names(), ["keys & more.md", "long.txt"]);

    let body = json!({"question": QUESTION}).to_string();
    let (_, text) = server.request("POST", "/api/ask", body.as_bytes(), "Content-Type: application/json\r\n");
    let said = events(&text);
    assert!(said.iter().any(|event| event["text"].is_string()), "it streams: {text}");
    let answer = &said.last().unwrap()["answer"];
    let quote = &answer["quotes"][0];
    assert_eq!(
        (&answer["answer"], &quote["document"], &quote["label"]),
        (&"482913".into(), &"keys & more.md".into(), &"Keys".into()),
        "{answer}"
    );
    let place = server.request(
        "GET",
        &format!("/api/documents/keys%20%26%20more.md/text?start={}&end={}", quote["byte_start"], quote["byte_end"]),
        b"",
        "",
    );
    assert!(place.0 == 200 && place.1.contains(FACT), "{place:?}");
    let body = json!({"question": QUESTION, "documents": ["long.txt"]}).to_string();
    let (_, text) = server.request("POST", "/api/ask", body.as_bytes(), "Content-Type: application/json\r\n");
    assert_ne!(events(&text).pop().unwrap()["answer"]["support"], "quoted", "another document: {text}");

    let models = server.json("GET", "/v1/models", &Value::Null);
    let model = &models["data"][0]["id"];
    assert_eq!(model.as_str(), test_support::shipped().to_str());
    let chat = json!({"model": model, "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": QUESTION}]}]});
    let reply = server.json("POST", "/v1/chat/completions", &chat);
    assert_eq!(reply["choices"][0]["message"], json!({"role": "assistant", "content": "482913"}));
    assert_eq!(
        (&reply["quotes"][0]["label"], reply["sources"].as_array().map(Vec::is_empty)),
        (&"Keys".into(), Some(false))
    );
    let mut streamed = chat;
    streamed["stream"] = true.into();
    let headers = "Content-Type: application/json\r\n";
    let (_, text) = server.request("POST", "/v1/chat/completions", streamed.to_string().as_bytes(), headers);
    let mut chunks: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    assert_eq!(chunks.pop(), Some("[DONE]"), "{text}");
    let chunks: Vec<Value> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let content: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    let last = chunks.last().unwrap();
    assert_eq!(
        (content.as_str(), &last["choices"][0]["finish_reason"], &last["quotes"][0]["label"]),
        ("482913", &"stop".into(), &"Keys".into())
    );

    assert_eq!(server.request("DELETE", "/api/documents/long.txt", b"", "").0, 204);
    assert_eq!(server.request("DELETE", "/api/documents/long.txt", b"", "").0, 400);
    assert_eq!(server.names(), ["keys & more.md"]);
    assert_eq!(server.end(), Some(130));
    let server = Server::start(&library, &[]);
    assert_eq!(server.names(), ["keys & more.md"], "after a restart");
}

/// Three pages, the second of which has the fact, on green paper.
fn paper() -> Vec<u8> {
    let filler = ["It was a bright cold day in the village.", "The ferryman had a letter in his pocket."].repeat(20);
    pdf(&[tinted([1.0, 0.0, 0.0], &filler), tinted([0.0, 1.0, 0.0], &[FACT]), tinted([0.0, 0.0, 1.0], &filler)], "")
}

#[test]
fn the_file_of_a_pdf_is_shown_as_it_was_read() {
    let dir = TempDir::new().unwrap();
    let library = dir.path().join("library");
    let server = Server::start(&library, &[]);
    server.request("PUT", "/api/documents/the%20manual.pdf", &paper(), "");
    server.request("PUT", "/api/documents/keys.md", format!("# Keys\n\n{FACT}\n").as_bytes(), "");
    let list = server.json("GET", "/api/documents", &Value::Null);
    let kept: Vec<&Value> = list["documents"].as_array().unwrap().iter().map(|d| &d["original_bytes"]).collect();
    assert_eq!(kept, [&json!(paper().len()), &Value::Null]);

    let path = "/api/documents/the%20manual.pdf/original";
    let (status, headers, bytes) = exchange(&server.host, "GET", path, b"", "");
    assert!(status == 200 && bytes == paper(), "{status} {headers}");
    for header in ["content-type: application/pdf", "content-disposition: inline", "nosniff", "sandbox", "no-store"] {
        assert!(headers.contains(header), "{header} is missing in {headers}");
    }
    assert_eq!(server.request("GET", path, b"", "Origin: http://evil.example\r\n").0, 403);
    for (name, why) in
        [("keys.md", "not kept"), ("other.pdf", "no document"), ("..%2F..%2Fetc%2Fpasswd", "no document")]
    {
        let (status, text) = server.request("GET", &format!("/api/documents/{name}/original"), b"", "");
        assert!(status == 400 && text.contains(why), "{name}: {status} {text}");
    }
    let file = find(&library, "original");
    for damage in ["changed", "cut off"] {
        let mut bytes = paper();
        if damage == "changed" {
            bytes[500] ^= 1
        } else {
            bytes.truncate(500)
        }
        std::fs::write(&file, bytes).unwrap();
        let (status, text) = server.request("GET", path, b"", "");
        assert!(status == 400 && text.contains("has changed since"), "{damage}: {status} {text}");
    }
    assert_eq!(server.end(), Some(130));

    let token = Server::start(&library, &["--token", "abcdefgh12345678", "--no-originals"]);
    std::fs::write(&file, paper()).unwrap();
    assert_eq!(token.request("GET", path, b"", "").0, 401);
    let shown = "Authorization: Bearer abcdefgh12345678\r\n";
    assert_eq!(exchange(&token.host, "GET", path, b"", shown).2, paper());
    token.request("PUT", "/api/documents/the%20manual.pdf", &paper(), shown);
    assert!(token.request("GET", path, b"", shown).1.contains("not kept"));
    assert!(!file.exists(), "what was replaced is gone, with its file");
}

/// The file of this name in a folder of `library`.
fn find(library: &Path, name: &str) -> PathBuf {
    let mut folders = std::fs::read_dir(library).unwrap().map(|entry| entry.unwrap().path().join(name));
    folders.find(|path| path.exists()).expect("the file")
}

#[test]
fn strangers_are_not_answered() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(&dir.path().join("library"), &[]);
    for headers in ["Host: evil.example\r\n", "Origin: http://evil.example\r\n"] {
        assert_eq!(server.request("GET", "/api/documents", b"", headers).0, 403, "{headers}");
    }
    let form = "Content-Type: text/plain\r\n";
    assert_eq!(
        server.request("POST", "/api/ask", b"{\"question\": \"x\"}", form).0,
        415,
        "no page may send it as a form"
    );
    let token = Server::start(&dir.path().join("other"), &["--token", "abcdefgh12345678"]);
    assert_eq!(token.request("GET", "/api/documents", b"", "").0, 401);
    assert_eq!(token.request("GET", "/api/documents", b"", "Authorization: Bearer abcdefgh12345678\r\n").0, 200);
    assert_eq!(token.request("GET", "/", b"", "").0, 200);
}

#[test]
fn who_leaves_stops_what_was_begun() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(&dir.path().join("library"), &[]);
    let text = long(200_000_000);
    let mut stream = TcpStream::connect(&server.host).unwrap();
    let head = format!(
        "PUT /api/documents/long.txt HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
        server.host,
        text.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    // It is being read when the first progress comes.
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("progress") {
        line.clear();
        assert!(answer.read_line(&mut line).unwrap() > 0, "it ended");
    }
    drop(answer);
    // The next document is read when the one before is given up, which would take far longer to read.
    let started = Instant::now();
    let (_, text) = server.request("PUT", "/api/documents/short.txt", FACT.as_bytes(), "");
    assert!(events(&text).pop().unwrap()["document"].is_object(), "{text}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(server.names(), ["short.txt"]);
}

/// A browser without a window, driven by WebDriver (https://www.w3.org/TR/webdriver2/).
struct Browser {
    driver: Child,
    host: String,
    session: String,
    _profile: TempDir,
}

impl Browser {
    fn start() -> Option<Self> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = started.ok()?;
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let said = "was started successfully on port ";
        let port = lines
            .find_map(|line| line.unwrap().split_once(said).map(|(_, port)| port.trim_end_matches('.').to_owned()))?;
        // What it says later is read, so that it can say it.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = TempDir::new().unwrap();
        let mut args: Vec<String> = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--force-prefers-reduced-motion",
        ]
        .map(Into::into)
        .to_vec();
        args.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = Self { driver, host: format!("127.0.0.1:{port}"), session: String::new(), _profile: profile };
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args": args}}}});
        browser.session = browser.send("POST", "/session", &wanted)["sessionId"].as_str().unwrap().to_owned();
        Some(browser)
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, text) =
            request(&self.host, method, path, body.to_string().as_bytes(), "Content-Type: application/json\r\n");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str::<Value>(&text).unwrap()["value"].take()
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.send("POST", &format!("/session/{}/{path}", self.session), body)
    }

    fn open(&self, url: &str) {
        self.command("url", &json!({"url": url}));
    }

    fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({"script": script, "args": []}))
    }

    /// Waits until `script` returns true.
    fn wait(&self, script: &str) {
        let started = Instant::now();
        while self.run(&format!("return Boolean({script})")) != json!(true) {
            assert!(
                started.elapsed() < Duration::from_secs(180),
                "{script}: {}",
                self.run("return document.body.innerText")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Drops a file on the page, as a hand would: of `text`, as often as said.
    fn drop_file(&self, name: &str, text: &str, times: usize) {
        self.run(&format!(
            "const list = new DataTransfer(); list.items.add(new File([{}.repeat({times})], {}));
             document.getElementById('drop').dispatchEvent(new DragEvent('drop', {{dataTransfer: list, bubbles: true, cancelable: true}}));",
            json!(text),
            json!(name)
        ));
    }

    /// The same with these bytes.
    fn drop_bytes(&self, name: &str, bytes: &[u8]) {
        self.run(&format!(
            "const list = new DataTransfer(); list.items.add(new File([new Uint8Array({})], {}));
             document.getElementById('drop').dispatchEvent(new DragEvent('drop', {{dataTransfer: list, bubbles: true, cancelable: true}}));",
            json!(bytes),
            json!(name)
        ));
    }

    /// Types on the keyboard, into what has the focus.
    fn keys(&self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key.to_string()}),
                    json!({"type": "keyUp", "value": key.to_string()}),
                ]
            })
            .collect();
        self.command("actions", &json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}));
    }

    fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.command("goog/cdp/execute", &json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics}));
    }

    /// What is seen, as a picture in base 64: all, or the part with this clip.
    fn picture(&self, clip: &Value) -> String {
        let mut params = json!({"format": "png"});
        if clip.is_object() {
            params["clip"] = clip.clone();
        }
        let shot = self.command("goog/cdp/execute", &json!({"cmd": "Page.captureScreenshot", "params": params}));
        shot["data"].as_str().unwrap().to_owned()
    }

    /// Which parts of what is seen of the element `id` are nearly pure red, green and blue.
    fn colours(&self, id: &str) -> [f64; 3] {
        let clip = self.run(&format!(
            "const {{ x, y, width, height }} = document.getElementById('{id}').getBoundingClientRect();
             return {{ x, y, width, height, scale: 1 }};"
        ));
        let script = "return (async (data) => {
            const image = new Image();
            image.src = `data:image/png;base64,${data}`;
            await image.decode();
            const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
            context.drawImage(image, 0, 0);
            const pixels = context.getImageData(0, 0, image.width, image.height).data;
            const counts = [0, 0, 0];
            for (let i = 0; i < pixels.length; i += 4) {
                const lit = [0, 1, 2].filter((c) => pixels[i + c] > 128);
                if (lit.length === 1) counts[lit[0]] += 4 / pixels.length;
            }
            return counts;
        })(arguments[0])";
        let counts = self.command("execute/sync", &json!({"script": script, "args": [self.picture(&clip)]}));
        [0, 1, 2].map(|i| counts[i].as_f64().unwrap())
    }

    /// Keeps what is seen in `folder`.
    fn shot(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(name), decoded(&self.picture(&Value::Null))).unwrap();
    }
}

/// What a text in base 64 stands for.
fn decoded(text: &str) -> Vec<u8> {
    let mut decoder =
        Command::new("base64").arg("-d").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("base64");
    let (mut stdin, text) = (decoder.stdin.take().unwrap(), text.to_owned());
    std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    decoder.wait_with_output().unwrap().stdout
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // The driver ends its browser.
            let path = format!("/session/{}", self.session);
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.send("DELETE", &path, &json!({}))));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";

#[test]
fn the_page_shows_where_it_looked() {
    let Some(browser) = Browser::start() else {
        return test_support::require::no_browser("there is no chromedriver");
    };
    let dir = TempDir::new().unwrap();
    let library = dir.path().join("library");
    let server = Server::start(&library, &[]);
    browser.size(1200, 800);
    browser.open(&format!("http://{}/", server.host));
    browser.wait("document.getElementById('sum').textContent.includes('No documents')");

    // Add by drop, and watch.
    let filler = "It was a bright cold day in the village, and the ferryman had a letter in his pocket. ";
    browser.drop_file("novel.txt", filler, 4_000);
    browser.wait("document.querySelector('.reading progress')");
    browser.wait("!document.querySelector('.reading') && document.querySelectorAll('#documents li').length === 1");
    let manual = format!(
        "# Pump\n\n{}\n\n## Keys\n\n{FACT} It is not given to others.\n\n## Limits\n\n{}\n",
        filler.repeat(60),
        filler.repeat(40)
    );
    browser.drop_file("manual.md", &manual, 1);
    browser.wait("document.querySelectorAll('#documents li').length === 2 && !document.querySelector('.reading')");
    browser.drop_file("broken.pdf", "%PDF-1.7 nothing", 1);
    browser.wait("document.querySelector('.reading .bad')?.textContent.includes('damaged')");
    browser.run("document.querySelector('.reading button').click()");

    // Ask by keyboard alone.
    browser.run("document.getElementById('question').focus()");
    browser.keys(QUESTION);
    browser.run(
        "window.written = []; const answer = document.getElementById('answer');
         new MutationObserver(() => written.push(answer.textContent)).observe(answer, {childList: true, subtree: true});",
    );
    browser.keys(ENTER);
    browser.wait("document.querySelector('#answer .from')");
    assert_eq!(
        browser.run("return written.some((text) => text && text.length < 6 && '482913'.startsWith(text.trim()))"),
        true,
        "it is shown as it is written: {}",
        browser.run("return written")
    );
    let answer = browser.run("return document.getElementById('answer').innerText");
    let answer = answer.as_str().unwrap();
    assert!(answer.starts_with("482913") && answer.contains("manual.md, Pump › Keys"), "{answer:?}");
    assert!(browser.run("return document.querySelectorAll('#strip i').length").as_u64().unwrap() > 0);
    let marked = browser.run("return document.querySelector('#sources mark').textContent");
    assert_eq!(marked, "482913");
    let inside = browser.run(
        "const part = document.querySelector('#strip div:nth-child(2)').getBoundingClientRect();
         const light = document.querySelector('#strip i').getBoundingClientRect();
         return light.left >= part.left - 1 && light.right <= part.right + 4",
    );
    assert_eq!(inside, true, "the light is in the part of its document");

    // A click opens the place, and Escape closes it.
    browser.run("document.querySelector('#sources button').click()");
    browser.wait("document.getElementById('place').open");
    let place = browser.run("return [document.getElementById('place-text').textContent, document.querySelector('#place mark').textContent, document.getElementById('place-label').textContent]");
    assert!(place[0].as_str().unwrap().contains(FACT) && place[1] == "482913", "{place}");
    assert!(place[2].as_str().unwrap().starts_with("Pump › Keys, bytes "), "{place}");
    browser.keys(ESCAPE);
    browser.wait("!document.getElementById('place').open");

    // Of a PDF it opens the page itself, beside its text.
    browser.drop_bytes("paper.pdf", &paper());
    browser.wait("document.querySelectorAll('#documents li').length === 3 && !document.querySelector('.reading')");
    browser.run("document.getElementById('question').focus()");
    browser.keys(ENTER);
    let source =
        "[...document.querySelectorAll('#sources button')].find(b => b.textContent.startsWith('paper.pdf, page 2'))";
    browser.wait(source);
    browser.run(&format!("{source}.click()"));
    browser.wait("document.querySelector('iframe#place-page')?.src.includes('#page=2&')");
    let page = browser.run("return [document.getElementById('place-page').title, document.querySelector('#place-file a').textContent, navigator.pdfViewerEnabled]");
    assert_eq!(page, json!(["Page 2 of paper.pdf", "Page 2 in a window of its own", true]));
    // The second page is painted, and not the first: by its paper.
    let started = Instant::now();
    let mut seen = browser.colours("place-page");
    while seen[1] < 0.4 {
        assert!(started.elapsed() < Duration::from_secs(60), "the page is not painted: {seen:?}");
        std::thread::sleep(Duration::from_millis(200));
        seen = browser.colours("place-page");
    }
    assert!(seen[0] < 0.05, "another page is painted: {seen:?}");
    let in_sight = browser.run(
        "const place = (what) => document.querySelector(what).getBoundingClientRect();
         const [mark, text] = [place('#place mark'), place('#place-text')];
         return mark.top >= text.top && mark.bottom <= text.bottom",
    );
    assert_eq!(in_sight, true, "the words that were used are seen beside it");
    browser.run("document.querySelector('#place form button').click()");
    browser.wait("!document.getElementById('place').open");
    std::fs::write(find(&library, "original"), b"%PDF-1.7 another").unwrap();
    browser.run(&format!("{source}.click()"));
    browser.wait("document.getElementById('place-file').textContent.includes('has changed since')");
    assert_eq!(browser.run("return document.getElementById('place-page').hidden"), true);
    browser.run("document.querySelector('#place form button').click()");
    server.request("DELETE", "/api/documents/paper.pdf", b"", "");

    // On a phone nothing is wider than the screen.
    browser.size(390, 844);
    let fits =
        browser.run("return document.documentElement.scrollWidth <= window.innerWidth && window.innerWidth === 390");
    assert_eq!(fits, true);
    browser.size(1200, 800);

    // Closing the page stops what it has begun.
    browser.drop_file("endless.txt", filler, 2_000_000);
    browser.wait("document.querySelector('.reading progress')?.value > 0");
    browser.open("about:blank");
    let (_, text) = server.request("PUT", "/api/documents/after.txt", b"Nothing of the kind.", "");
    assert!(text.contains("after.txt"), "{text}");
    assert_eq!(server.names(), ["novel.txt", "manual.md", "after.txt"]);

    // Remove, and find the rest after a restart.
    browser.open(&format!("http://{}/", server.host));
    browser.wait("document.querySelectorAll('#documents li').length === 3");
    browser.run("document.querySelector('[aria-label=\"Remove after.txt\"]').click()");
    browser.wait("document.querySelectorAll('#documents li').length === 2");
    assert_eq!(server.end(), Some(130));
    let server = Server::start(&library, &[]);
    browser.open(&format!("http://{}/", server.host));
    browser.wait("document.querySelectorAll('#documents li').length === 2");
    browser.run("document.getElementById('question').focus()");
    browser.keys(QUESTION);
    browser.keys(ENTER);
    browser.wait("document.querySelector('#answer')?.innerText.startsWith('482913')");
}

const TAB: &str = "\u{e004}";

/// What is hard to read: text with less contrast than 4.5 to what is behind it, borders of what can be used with less than 3
/// (https://www.w3.org/TR/WCAG22/#contrast-minimum).
const PALE: &str = "
    const rgb = (colour) => colour.match(/[0-9.]+/g).map(Number);
    const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05);
    const contrast = (a, b) => Math.max(light(a) / light(b), light(b) / light(a));
    const behind = (e) => {
        for (; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour[3] !== 0) return colour;
        }
        throw new Error('nothing is behind it');
    };
    const bad = [];
    let looked = 0;
    for (const e of document.querySelectorAll('body *')) {
        if (!e.checkVisibility() || e.closest('.hidden')) continue;
        const style = getComputedStyle(e);
        const texts = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim()) ? [style] : [];
        if (e.placeholder) texts.push(getComputedStyle(e, '::placeholder'));
        const pairs = texts.map((s) => [rgb(s.color), behind(e), 4.5]);
        if (e.matches('button, input:not([type=file]), #drop') && style.borderTopWidth !== '0px') {
            pairs.push([rgb(style.borderTopColor), behind(e.parentElement), 3]);
        }
        looked += pairs.length;
        bad.push(...pairs.filter(([a, b, least]) => contrast(a, b) < least).map((pair) => `${e.outerHTML.slice(0, 60)}: ${pair.join(' / ')}`));
    }
    return looked > 20 ? bad : [`only ${looked} were looked at`];";

#[test]
fn the_page_is_for_those_who_see_little_and_use_a_keyboard_alone() {
    let Some(browser) = Browser::start() else {
        return test_support::require::no_browser("there is no chromedriver");
    };
    let dir = TempDir::new().unwrap();
    let server = Server::start(&dir.path().join("library"), &[]);
    for (name, text) in [("keys.md", format!("# Keys\n\n{FACT}\n")), ("other.txt", "Nothing of the kind.".into())] {
        server.request("PUT", &format!("/api/documents/{name}"), text.as_bytes(), "");
    }
    browser.size(390, 844);
    browser.open(&format!("http://{}/", server.host));
    browser.wait("document.querySelectorAll('#documents li').length === 2");
    browser.drop_file("broken.pdf", "%PDF-1.7 nothing", 1);
    browser.wait("document.querySelector('.reading .bad')");
    let said = browser.run("return document.querySelector('#said[role=status]').textContent");
    assert!(said.as_str().unwrap().contains("damaged"), "it is told to who does not see it: {said}");
    browser.run("document.getElementById('question').focus()");
    browser.keys(QUESTION);
    browser.keys(ENTER);
    browser.wait("document.querySelector('#sources button')");

    for scheme in ["light", "dark"] {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        browser.command("goog/cdp/execute", &json!({"cmd": "Emulation.setEmulatedMedia", "params": features}));
        assert_eq!(browser.run(PALE), json!([]), "{scheme}");
    }

    // By the key Tab alone all is reached, from the top to the bottom, each with a name, and one sees where one is.
    let reached = "const usable = [...document.querySelectorAll('button, input')].filter((e) => e.checkVisibility());";
    let count = browser.run(&format!("{reached} return usable.length")).as_u64().unwrap();
    assert!(count >= 6, "{count}");
    browser.run("document.body.tabIndex = -1; document.body.focus()");
    let mut bottom = 0.0;
    for i in 0..count {
        browser.keys(TAB);
        let at = browser.run(&format!(
            "{reached}
             const e = document.activeElement;
             const marked = e.id === 'files' ? document.getElementById('drop') : e;
             return [usable.indexOf(e), e.getBoundingClientRect().bottom + scrollY, getComputedStyle(marked).outlineStyle,
                     e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim() || '']"
        ));
        assert_eq!((&at[0], &at[2]), (&json!(i), &"solid".into()), "{at}");
        assert!(at[1].as_f64().unwrap() >= bottom - 40.0, "it goes up the page: {at}");
        bottom = at[1].as_f64().unwrap();
        assert_ne!(at[3], "", "it has no name");
    }
    // What was removed leaves the focus with its neighbour.
    browser.run("document.querySelector('[aria-label=\"Remove keys.md\"]').click()");
    browser.wait("document.activeElement.ariaLabel === 'Remove other.txt'");
    browser.run("document.activeElement.click()");
    browser.wait("document.activeElement.ariaLabel === 'Dismiss broken.pdf'");
    browser.run("document.activeElement.click()");
    browser.wait("document.getElementById('sum').textContent === 'No documents yet'");
}

/// The pictures of the README and of docs/serve.md, which are looked at: a lease of two pages in a library of this project's documents.
#[test]
#[ignore = "draws the pictures of the documents, into the folder that RAMBA_SCREENSHOTS names"]
fn pictures() {
    let folder = PathBuf::from(std::env::var_os("RAMBA_SCREENSHOTS").expect("RAMBA_SCREENSHOTS"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let browser = Browser::start().expect("a chromedriver");
    let dir = TempDir::new().unwrap();
    let server =
        Server::start(&dir.path().join("library"), &["--model", root.join("models/ramba-qa.gguf").to_str().unwrap()]);
    // Printed by the browser, as people have it.
    let lease = std::fs::read_to_string(root.join("examples/lease.txt")).unwrap();
    browser.open("about:blank");
    browser.run(&format!(
        "document.body.append(...{}.split('\\n').map((text) => {{
            const p = document.createElement('p');
            p.textContent = text;
            return p;
         }}))",
        json!(lease)
    ));
    let print = json!({"cmd": "Page.printToPDF", "params": {"paperWidth": 5.8, "paperHeight": 5.2}});
    let lease = decoded(browser.command("goog/cdp/execute", &print)["data"].as_str().unwrap());
    server.request("PUT", "/api/documents/lease.pdf", &lease, "");
    for name in ["docs/format.md", "docs/security.md", "docs/architecture.md"] {
        let short = name.rsplit('/').next().unwrap();
        server.request("PUT", &format!("/api/documents/{short}"), &std::fs::read(root.join(name)).unwrap(), "");
    }
    browser.size(1200, 640);
    browser.open(&format!("http://{}/", server.host));
    browser.wait("document.querySelectorAll('#documents li').length === 4");
    browser.run("document.getElementById('question').focus()");
    browser.keys("Who repairs the roof?");
    browser.keys(ENTER);
    browser.wait("document.querySelector('#answer .from')?.textContent.startsWith('lease.pdf, page ')");
    browser.shot(&folder, "serve.png");
    browser.size(1200, 800);
    browser.run("document.querySelector('#sources button').click()");
    browser.wait("document.querySelector('iframe#place-page')?.src");
    std::thread::sleep(Duration::from_secs(3));
    browser.shot(&folder, "serve-pdf.png");
    browser.keys(ESCAPE);
    browser.size(390, 844);
    browser.shot(&folder, "serve-phone.png");
}
