"use strict";

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token");
const headers = token ? { Authorization: `Bearer ${token}` } : {};
const count = (n) => n.toLocaleString("en");
const time = (s) => (s < 90 ? `${Math.ceil(s)} s` : `${Math.round(s / 60)} min`);

/** An element with attributes and children; text is never taken for markup. */
function make(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
}

/** Calls the server; what it says is wrong is thrown. */
async function call(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  if (!response.ok) {
    const text = await response.text();
    let message = text;
    try { message = JSON.parse(text).error.message; } catch { /* as it is */ }
    throw new Error(message || response.statusText);
  }
  return response;
}

/** The lines of JSON of a response, as they come. */
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}

let library = [];

async function refresh() {
  library = (await (await call("api/documents")).json()).documents;
  const chunks = library.reduce((sum, d) => sum + d.chunks, 0);
  const tokens = library.reduce((sum, d) => sum + d.tokens, 0);
  $("sum").textContent = library.length
    ? `${count(library.length)} ${library.length === 1 ? "document" : "documents"}, ${count(tokens)} tokens in ${count(chunks)} chunks`
    : "No documents yet";
  const reading = [...$("documents").querySelectorAll(".reading")];
  $("documents").replaceChildren(...library.map(shown), ...reading);
}

function shown(d) {
  const remove = make("button", { type: "button", textContent: "Remove", ariaLabel: `Remove ${d.name}` });
  remove.onclick = async () => {
    const at = library.indexOf(d);
    remove.disabled = true;
    try { await call(`api/documents/${encodeURIComponent(d.name)}`, { method: "DELETE" }); } catch (e) { alert(e.message); }
    await refresh();
    // The button that had the focus is gone.
    ($("documents").children[at]?.querySelector("button") ?? $("files")).focus();
  };
  const item = make("li", {}, make("div", { className: "row" }, make("span", { className: "name", textContent: d.name }), remove));
  item.append(make("small", { textContent: `${count(d.tokens)} tokens, ${count(d.chunks)} chunks` }));
  return item;
}

/** Adds a file, and shows how it is read. Leaving the page stops it. */
async function add(file) {
  const bar = make("progress", { max: 1, ariaLabel: `Reading ${file.name}` });
  const says = make("small", { textContent: "sending …" });
  const stop = make("button", { type: "button", textContent: "Stop", ariaLabel: `Stop reading ${file.name}` });
  const stopped = new AbortController();
  stop.onclick = () => stopped.abort();
  const item = make("li", { className: "reading" },
    make("div", { className: "row" }, make("span", { className: "name", textContent: file.name }), stop), bar, says);
  $("documents").append(item);
  // Said once: what changes all the time is for the eye.
  $("said").textContent = `Reading ${file.name}`;
  let notes = [];
  try {
    const response = await call(`api/documents/${encodeURIComponent(file.name)}`, { method: "PUT", body: file, signal: stopped.signal });
    let done = false;
    says.textContent = "reading …";
    const began = performance.now();
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      if (event.progress) {
        const { tokens, tokens_per_s, done: part } = event.progress;
        if (part !== null) bar.value = part;
        const left = part > 0 ? ((performance.now() - began) / 1000) * (1 / part - 1) : null;
        says.textContent = [`${count(tokens)} tokens`, `${count(Math.round(tokens_per_s))} a second`, left && `${time(left)} left`]
          .filter(Boolean).join(", ");
      }
      if (event.document) { done = true; notes = event.document.notes; }
    }
    if (!done) throw new Error("The server ended before the document was read");
    item.remove();
    await refresh();
    const complaints = notes.map((n) => (n.place ? `${n.place}: ${n.message}` : n.message));
    const mine = [...$("documents").children].find((li) => li.querySelector(".name").textContent === file.name);
    mine?.append(...complaints.map((textContent) => make("small", { className: "bad", textContent })));
    $("said").textContent = [`${file.name} is read`, ...complaints].join(". ");
  } catch (e) {
    bar.remove();
    stop.textContent = "Dismiss";
    stop.ariaLabel = `Dismiss ${file.name}`;
    stop.onclick = () => { item.remove(); $("files").focus(); };
    says.className = "bad";
    says.textContent = e.name === "AbortError" ? "Stopped" : e.message;
    $("said").textContent = `${file.name}: ${says.textContent}`;
  }
}

async function addAll(files) {
  for (const file of files) await add(file);
}

let asking = null;

async function ask(question) {
  asking?.abort();
  const mine = asking = new AbortController();
  $("answer").textContent = "";
  $("looked").hidden = true;
  $("stop").hidden = false;
  $("answer").ariaBusy = "true";
  try {
    const body = JSON.stringify({ question });
    const response = await call("api/ask", { method: "POST", body, headers: { "Content-Type": "application/json" }, signal: mine.signal });
    for await (const event of events(response)) {
      if (event.error) throw new Error(event.error.message);
      if (event.text) $("answer").append(event.text);
      if (event.answer) show(event.answer);
    }
  } catch (e) {
    if (mine === asking || e.name !== "AbortError") $("answer").textContent = e.name === "AbortError" ? "Stopped" : e.message;
  } finally {
    if (mine === asking) {
      $("stop").hidden = true;
      $("answer").ariaBusy = "false";
      asking = null;
    }
  }
}

const place = (s) => [s.document, s.label].filter(Boolean).join(", ");

function show(answer) {
  if (answer.support === "none") {
    $("answer").textContent = "Not found in the documents";
  } else {
    const quoted = [...new Set(answer.quotes.map(place))].join("; ");
    $("answer").replaceChildren(answer.answer.trim());
    $("answer").append(make("span", {
      className: "from", textContent: answer.support === "quoted" ? quoted : "not in these words in the documents",
    }));
  }
  $("looked").hidden = answer.sources.length === 0;
  strip(answer.sources);
  $("sources").replaceChildren(...answer.sources.map((s) => source(s, answer.quotes)));
}

/** The whole library as a strip, with the chunks that were read lit by their weights. */
function strip(sources) {
  const all = library.map((d) => {
    const part = make("div", { title: d.name }, make("span", { textContent: d.name }));
    part.style.flex = String(Math.max(d.chunks, 1));
    for (const s of sources.filter((s) => s.document === d.name)) {
      const light = make("i", { title: `${place(s)}: ${Math.round(s.weight * 100)} %` });
      light.style.left = `${100 * s.chunk / d.chunks}%`;
      light.style.width = `${100 / d.chunks}%`;
      light.style.opacity = String(0.15 + 0.85 * Math.min(1, s.weight));
      part.append(light);
    }
    return part;
  });
  $("strip").replaceChildren(...all);
  const heaviest = sources[0] ? `the heaviest chunk is in ${place(sources[0])}` : "no chunk was read";
  $("strip").ariaLabel = `All documents, with ${sources.length} chunks lit: ${heaviest}`;
}

/** Text at `start`, with the parts of it that are `quotes` marked. */
function marked(text, start, quotes) {
  const bytes = new TextEncoder().encode(text);
  const decode = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
  const parts = [];
  let at = 0;
  for (const q of [...quotes].sort((a, b) => a.byte_start - b.byte_start)) {
    const from = Math.max(q.byte_start - start, at), to = Math.min(q.byte_end - start, bytes.length);
    if (from >= to) continue;
    parts.push(decode(at, from), make("mark", { textContent: decode(from, to) }));
    at = to;
  }
  parts.push(decode(at, bytes.length));
  return parts;
}

function source(s, quotes) {
  const mine = quotes.filter((q) => q.document === s.document);
  // What was used may stand under another heading than the chunk begins with.
  const used = mine.find((q) => q.byte_start < s.byte_end && q.byte_end > s.byte_start);
  if (used) s = { ...s, label: used.label };
  const button = make("button", { type: "button" },
    make("span", { className: "head" }, make("b", { textContent: place(s) }), `${Math.round(s.weight * 100)} %`),
    make("span", { className: "text" }, ...marked(s.text, s.byte_start, mine)));
  button.onclick = () => open(s, mine);
  return make("li", {}, button);
}

/** Places that were opened so far. */
let opened = 0;

/** The place of a source, with what stands around it. */
async function open(s, quotes) {
  const mine = ++opened;
  const query = new URLSearchParams({ start: s.byte_start, end: s.byte_end });
  const around = await (await call(`api/documents/${encodeURIComponent(s.document)}/text?${query}`)).json();
  $("place-title").textContent = s.document;
  const bytes = s.origin_start === undefined ? null : `bytes ${count(s.origin_start)} to ${count(s.origin_end)} of the file`;
  $("place-label").textContent = [s.label, bytes].filter(Boolean).join(", ");
  $("place-text").replaceChildren(...marked(around.text, around.start, quotes.length ? quotes : [s]));
  $("place-file").hidden = $("place-page").hidden = true;
  $("place").showModal();
  toMark();
  await openPage(s, mine);
}

/** Scrolls the text of a place to what is marked. */
function toMark() {
  $("place-text").querySelector("mark")?.scrollIntoView({ block: "center" });
}

/** The address in this page of the PDF that was shown last. */
let shownFile = null;

/** The page of a PDF beside its text, if the library has kept the file. */
async function openPage(s, mine) {
  const page = /^page (\d+)/.exec(s.label ?? "")?.[1];
  const kept = library.find((d) => d.name === s.document)?.original_bytes;
  if (!page || !kept) return;
  const says = $("place-file");
  says.hidden = false;
  says.textContent = "Opening the file …";
  try {
    // With the token, which an address would show to others.
    const file = await (await call(`api/documents/${encodeURIComponent(s.document)}/original`)).blob();
    if (mine !== opened) return;
    if (shownFile) URL.revokeObjectURL(shownFile);
    shownFile = URL.createObjectURL(file);
    const address = `${shownFile}#page=${page}`;
    says.replaceChildren(make("a", { href: address, target: "_blank", rel: "noopener", textContent: `Page ${page} in a window of its own` }));
    // Browsers of phones show a PDF in a window alone.
    if (!navigator.pdfViewerEnabled || !matchMedia("(min-width: 50rem)").matches) return;
    // A frame that has another page of the same file would not turn to this one.
    const frame = make("iframe", { id: "place-page", title: `Page ${page} of ${s.document}`, src: `${address}&navpanes=0` });
    $("place-page").replaceWith(frame);
    // There is less room for the text now.
    toMark();
  } catch (e) {
    if (mine === opened) says.textContent = `The page is not shown: ${e.message}`;
  }
}

const drop = $("drop");
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (e) => { e.preventDefault(); drop.classList.add("over"); });
}
document.addEventListener("dragleave", (e) => { if (!e.relatedTarget) drop.classList.remove("over"); });
document.addEventListener("drop", (e) => {
  e.preventDefault();
  drop.classList.remove("over");
  addAll([...e.dataTransfer.files]);
});
$("files").onchange = (e) => { addAll([...e.target.files]); e.target.value = ""; };
$("ask").onsubmit = (e) => { e.preventDefault(); ask($("question").value.trim()); };
$("stop").onclick = () => asking?.abort();
refresh().catch((e) => { $("sum").textContent = e.message; });
