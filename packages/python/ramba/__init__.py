"""Ask questions about documents of any length, in a fixed amount of memory.

    import ramba

    with ramba.Model("ramba-small.gguf") as model, model.memory(budget=32 << 20) as memory:
        memory.feed("The pass key of QXRT is 482913. ")
        print(memory.ask("What is the pass key of QXRT?").text)

A `Model` is what was loaded from a file, a `Memory` one growing document, a `Library` a folder of documents that last. Each is
closed by `close()`, at the end of a `with` block, or when nothing refers to it any more. All may be used from any thread; a memory by one at a
time, a second call fails with `Busy`. `Memory.cancel()` is for any thread at any time.
"""

from __future__ import annotations

import ctypes
import os
import queue
import threading
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Any, Callable, Iterator, List, Optional, Tuple, Type, Union

from . import _capi
from ._capi import lib as _lib

__all__ = [
    "Answer", "Busy", "Cancelled", "Damage", "Error", "Library", "Memory", "Model", "Passage", "Progress", "Source", "Status", "Stop",
    "Stream", "Support", "Usage", "ask", "estimate", "version",
]

Path = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]


class Status(IntEnum):
    """What a call came to."""

    OK = 0
    IO = 1
    FORMAT = 2
    UNSUPPORTED = 3
    INVALID_ARGUMENT = 4
    CAPACITY = 5
    CANCELLED = 6
    INTERNAL = 7
    DEVICE = 8
    BUSY = 9


class Stop(IntEnum):
    """Why an answer ended."""

    NONE = 0
    END = 1
    """The model ended it."""
    LENGTH = 2
    """It is cut off: there was no room for more tokens."""
    CALLBACK = 3
    """The caller asked to stop."""


class Support(IntEnum):
    """What an answer rests on."""

    UNKNOWN = 0
    """Nobody can say."""
    NONE = 1
    """The document seems not to hold an answer: the text is a guess."""
    FOUND = 2
    """The sources carry weight, but the answer does not stand there in these words."""
    QUOTED = 3
    """The answer stands in the sources, at the places in `Answer.quotes`."""


class Error(Exception):
    """A call failed; `status` says how."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


class Cancelled(Error):
    """The caller asked to stop."""


class Busy(Error):
    """Another call uses the memory, or another process or memory writes to the library or document."""


@dataclass(frozen=True)
class Progress:
    """How far a memory has come."""

    bytes: int
    tokens: int
    chunks: int


@dataclass(frozen=True)
class Passage:
    """A place in a document that an answer stands in. Ranges are (first, after the last)."""

    bytes: Tuple[int, int]
    origin: Optional[Tuple[int, int]]
    """The bytes of the original file, where marks say which they are."""
    text: str
    label: str
    """Such as a page or a heading, if the document has marks; otherwise empty."""
    document: str
    """The name of the document, if it is one of a library; otherwise empty."""


@dataclass(frozen=True)
class Source(Passage):
    """A chunk that was read for an answer."""

    chunk: int
    weight: float


@dataclass(frozen=True)
class Answer:
    """An answer, and what is to be known of it."""

    text: str
    stop: Stop
    support: Support
    weight: float
    probability: float
    quotes: List[Passage]
    sources: List[Source]

    @property
    def found(self) -> bool:
        """Whether the document seems to hold an answer."""
        return self.support is not Support.NONE


@dataclass(frozen=True)
class Usage:
    """Memory that a model and a document take, in bytes.

    `weights` are mapped from the file, and the system can drop their pages; `anonymous`, which it cannot, is the sum of `repacked`, `scratch`,
    `state` and `cache`. Only `cache`, up to the budget, and `disk` depend on the length of the document.
    """

    weights: int
    repacked: int
    scratch: int
    state: int
    cache: int
    disk: int
    anonymous: int


@dataclass(frozen=True)
class Damage:
    """Something in a library that is not as it was written."""

    document: str
    chunk: Optional[int]
    message: str


def version() -> str:
    """The version of the library."""
    return _lib.ramba_version().decode()


def _check(status: int) -> None:
    if status:
        message = _lib.ramba_last_error().decode("utf-8", "replace")
        kinds = {Status.CANCELLED: Cancelled, Status.BUSY: Busy}
        raise kinds.get(Status(status), Error)(Status(status), message)


class _Handle:
    """What is open, and closed once."""

    _close: Any

    def __init__(self) -> None:
        self._handle = ctypes.c_void_p()
        # What callbacks refer to, and whatever must stay while this is open.
        self._keep: List[Any] = []

    @classmethod
    def _new(cls, owner: "_Handle") -> Any:
        """One that nothing is opened for yet, and that keeps its owner."""
        new = cls.__new__(cls)
        _Handle.__init__(new)
        new._keep.append(owner)
        return new

    def close(self) -> None:
        """Closes it; a second time does nothing."""
        handle, self._handle = self._handle, ctypes.c_void_p()
        if handle:
            type(self)._close(handle)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            self.close()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]) -> None:
        self.close()


def _defaults(options: Any, fill: Any) -> Any:
    """`options` as the library fills them."""
    _check(fill(ctypes.byref(options), ctypes.sizeof(options)))
    return options


def _session_options(
    budget: Optional[int],
    device_budget: Optional[int],
    directory: Optional[Path],
    precision: str,
    skip_hsa_while_reading: bool,
    skip_damaged: bool = False,
) -> _capi.SessionOptions:
    options = _defaults(_capi.SessionOptions(), _lib.ramba_session_options_default)
    if budget is not None:
        options.budget_bytes = budget
    if device_budget is not None:
        options.device_budget_bytes = device_budget
    if directory is not None:
        options.directory = os.fsencode(directory)
    options.precision = _capi.number("precision", precision, ("f32", "f16", "int8"))
    options.skip_hsa_while_reading = skip_hsa_while_reading
    options.skip_damaged = skip_damaged
    return options


def _damages(call: Any, handle: Any) -> List[Damage]:
    found: List[Damage] = []

    def tell(document: bytes, chunk: int, message: bytes, _: Any) -> None:
        found.append(Damage(document.decode(), None if chunk == _capi.NONE else chunk, message.decode()))

    count = ctypes.c_size_t()
    _check(call(handle, _capi.OnDamage(tell), None, ctypes.byref(count)))
    return found


def _usage(call: Any, *arguments: Any) -> Usage:
    usage = _capi.Usage()
    _check(call(*arguments, ctypes.byref(usage)))
    return Usage(*(getattr(usage, name) for name, _ in usage._fields_))


def estimate(model: Path, tokens: int, size: int, *, budget: Optional[int] = None, precision: str = "f16", threads: int = 0) -> Usage:
    """What a document of so many tokens and bytes of text takes of the model file, told before anything is loaded."""
    options = _defaults(_capi.ModelOptions(), _lib.ramba_model_options_default)
    options.threads = threads
    session = _session_options(budget, None, None, precision, False)
    return _usage(_lib.ramba_estimate, os.fsencode(model), ctypes.byref(options), ctypes.byref(session), tokens, size)


class Model(_Handle):
    """A loaded model: a path, or the bytes of a file, which are not copied."""

    _close = _lib.ramba_model_close

    def __init__(
        self,
        model: Union[Path, bytearray, memoryview],
        *,
        device: str = "cpu",
        threads: int = 0,
        encoder: str = "native",
        encoder_file: Optional[Path] = None,
        encoder_library: Optional[Path] = None,
        encoder_provider: Optional[str] = None,
        encoder_allow_cpu: bool = False,
        repack: bool = True,
        on_load: Optional[Callable[[int, int], object]] = None,
    ) -> None:
        """`device` is "cpu", "cuda" or "cuda:1". `on_load(loaded, all)` is told of bytes; what it raises ends the loading."""
        super().__init__()
        options = _defaults(_capi.ModelOptions(), _lib.ramba_model_options_default)
        name, _, index = device.partition(":")
        options.device = _capi.number("device", name, ("cpu", "cuda"))
        options.device_index = int(index or 0)
        options.threads = threads
        options.encoder = _capi.number("encoder", encoder, ("native", "tract", "ort"))
        options.encoder_file = None if encoder_file is None else os.fsencode(encoder_file)
        options.encoder_library = None if encoder_library is None else os.fsencode(encoder_library)
        options.encoder_provider = None if encoder_provider is None else encoder_provider.encode()
        options.encoder_allow_cpu = encoder_allow_cpu
        options.no_repack = not repack
        raised: List[BaseException] = []
        if on_load is not None:
            options.on_load = _capi.OnLoad(lambda loaded, all, _: _capi.guarded(raised, lambda: on_load(loaded, all) is False))
        if isinstance(model, (bytearray, memoryview)):
            held = (ctypes.c_char * len(model)).from_buffer(model)
            self._keep.append(held)
            status = _lib.ramba_model_open_buffer(held, len(model), ctypes.byref(options), ctypes.byref(self._handle))
        else:
            status = _lib.ramba_model_open(os.fsencode(model), ctypes.byref(options), ctypes.byref(self._handle))
        if raised:
            raise raised[0]
        _check(status)

    def memory(
        self,
        *,
        budget: Optional[int] = None,
        device_budget: Optional[int] = None,
        directory: Optional[Path] = None,
        precision: str = "f16",
        skip_hsa_while_reading: bool = False,
    ) -> "Memory":
        """An empty document that is gone when it is closed, with so many bytes of RAM for chunk memories."""
        options = _session_options(budget, device_budget, directory, precision, skip_hsa_while_reading)
        memory = Memory._new(self)
        _check(_lib.ramba_session_open(self._handle, ctypes.byref(options), ctypes.byref(memory._handle)))
        return memory

    def library(
        self,
        path: Path,
        *,
        read_only: bool = False,
        budget: Optional[int] = None,
        device_budget: Optional[int] = None,
        precision: str = "f16",
        skip_hsa_while_reading: bool = False,
        skip_damaged: bool = False,
    ) -> "Library":
        """Documents in a folder that lasts, which is made if it is not there.

        With `skip_damaged` chunks that are damaged are left out, and told of by `Memory.skipped`, instead of being an error.
        """
        options = _session_options(budget, device_budget, None, precision, skip_hsa_while_reading, skip_damaged)
        library = Library._new(self)
        handle = ctypes.byref(library._handle)
        _check(_lib.ramba_library_open(self._handle, os.fsencode(path), read_only, ctypes.byref(options), handle))
        return library

    def check_question(self, question: str, **options: Any) -> None:
        """Fails if the question cannot be asked, before there is a document."""
        text = question.encode()
        _check(_lib.ramba_check_question(self._handle, text, len(text), ctypes.byref(_ask_options(**options))))


def _ask_options(
    max_tokens: Optional[int] = None,
    free: bool = False,
    temperature: Optional[float] = None,
    top_k: Optional[int] = None,
    top_p: Optional[float] = None,
    seed: Optional[int] = None,
    min_source_weight: Optional[float] = None,
) -> _capi.AskOptions:
    options = _defaults(_capi.AskOptions(), _lib.ramba_ask_options_default)
    given = {
        "max_tokens": max_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed,
        "min_source_weight": min_source_weight,
    }
    for name, value in given.items():
        if value is not None:
            setattr(options, name, value)
    options.decoding = int(free)
    return options


class Memory(_Handle):
    """One document, growing. `Model.memory()` makes one, and the functions of a `Library` do."""

    _close = _lib.ramba_session_close

    @classmethod
    def _new(cls, owner: _Handle) -> "Memory":
        memory = super()._new(owner)
        memory._raised: List[BaseException] = []
        return memory

    def _reading(self, status: int) -> None:
        if self._raised:
            raise self._raised.pop()
        _check(status)

    def feed(self, text: Union[str, bytes]) -> None:
        """Appends text; bytes of UTF-8 may be split anywhere."""
        data = text.encode() if isinstance(text, str) else text
        self._reading(_lib.ramba_feed(self._handle, data, len(data)))

    def feed_file(self, path: Path, block: int = 1 << 18) -> None:
        """Appends the text of a file in UTF-8."""
        with open(path, "rb") as file:
            while data := file.read(block):
                self.feed(data)

    def mark(self, at: int, label: Optional[str] = None, origin: Optional[int] = None) -> None:
        """Says what stands at byte `at` of the text and after it: what people call the place, and the byte of the original file."""
        origin = _capi.NONE if origin is None else origin
        _check(_lib.ramba_mark(self._handle, at, origin, None if label is None else label.encode()))

    def prefill(self) -> None:
        """Reads everything that was fed, so that the next question is answered at once."""
        self._reading(_lib.ramba_prefill(self._handle))

    def commit(self) -> None:
        """Makes all that was fed last, in the library that the document is of."""
        self._reading(_lib.ramba_commit(self._handle))

    def on_progress(self, callback: Optional[Callable[[Progress], object]]) -> None:
        """Sets what is told how far reading has come. If it returns False, or raises, the reading stops."""
        def tell(progress: Any, _: Any) -> int:
            p = progress.contents
            return _capi.guarded(self._raised, lambda: callback(Progress(p.bytes, p.tokens, p.chunks)) is False)

        function = _capi.OnProgress(tell) if callback is not None else _capi.OnProgress()
        _check(_lib.ramba_set_progress(self._handle, function, None))
        self._tell = function

    def cancel(self) -> None:
        """Stops what is under way, from any thread, and all that is begun later until `uncancel()`: it raises `Cancelled`."""
        _check(_lib.ramba_cancel(self._handle))

    def uncancel(self) -> None:
        """Takes `cancel()` back."""
        _check(_lib.ramba_uncancel(self._handle))

    @property
    def progress(self) -> Progress:
        """How far the memory has come."""
        p = _capi.Progress()
        _check(_lib.ramba_progress_of(self._handle, ctypes.byref(p)))
        return Progress(p.bytes, p.tokens, p.chunks)

    @property
    def tokens_computed(self) -> int:
        """Tokens that the model has run over for the document since it was opened."""
        tokens = ctypes.c_uint64()
        _check(_lib.ramba_tokens_computed(self._handle, ctypes.byref(tokens)))
        return tokens.value

    @property
    def usage(self) -> Usage:
        """Memory that the model and this document take now."""
        return _usage(_lib.ramba_usage_of, self._handle)

    @property
    def skipped(self) -> List[Damage]:
        """The chunks that were found to be damaged and left out, where `Model.library` was told to skip them."""
        return _damages(_lib.ramba_skipped, self._handle)

    def text(self, start: int, end: int) -> str:
        """The text of the document from byte `start` up to byte `end`."""
        text, length = ctypes.c_void_p(), ctypes.c_size_t()
        _check(_lib.ramba_text(self._handle, start, end, ctypes.byref(text), ctypes.byref(length)))
        return ctypes.string_at(text.value or 0, length.value).decode()

    def ask(self, question: str, on_token: Optional[Callable[[str], object]] = None, **options: Any) -> Answer:
        """Answers a question from the document, which stays as it is.

        `on_token` gets the text of each token, and stops the answer if it returns False. Options: `max_tokens`, `free` (the model writes what it
        likes instead of copying), `temperature`, `top_k`, `top_p`, `seed`, `min_source_weight`."""
        return self._write(_lib.ramba_ask, question, on_token, options)

    def generate(self, prompt: str, on_token: Optional[Callable[[str], object]] = None, **options: Any) -> Answer:
        """Appends `prompt` to the document and lets the model write on; what it writes becomes part of the document."""
        return self._write(_lib.ramba_generate, prompt, on_token, options)

    def stream(self, question: str, **options: Any) -> "Stream":
        """`ask()` token by token: iterate over it. Afterwards it has the `answer`."""
        return Stream(lambda on_token: self.ask(question, on_token, **options))

    def stream_generate(self, prompt: str, **options: Any) -> "Stream":
        """`generate()` token by token."""
        return Stream(lambda on_token: self.generate(prompt, on_token, **options))

    def _write(self, call: Any, text: str, on_token: Optional[Callable[[str], object]], options: Any) -> Answer:
        raised: List[BaseException] = []

        def tell(_token: int, at: int, length: int, _user: Any) -> int:
            return _capi.guarded(raised, lambda: on_token(ctypes.string_at(at, length).decode()) is False)

        data = text.encode()
        function = _capi.OnToken(tell) if on_token is not None else _capi.OnToken()
        status = call(self._handle, data, len(data), ctypes.byref(_ask_options(**options)), function, None)
        if raised:
            raise raised[0]
        self._reading(status)
        return self._answer()

    def _answer(self) -> Answer:
        length = ctypes.c_size_t()
        text = ctypes.string_at(_lib.ramba_answer(self._handle, ctypes.byref(length)), length.value).decode()
        quotes, sources = [], []
        for i in range(_lib.ramba_quote_count(self._handle)):
            quote = _capi.Quote()
            _check(_lib.ramba_quote_at(self._handle, i, ctypes.byref(quote)))
            quotes.append(Passage(*_capi.passage(quote)))
        for i in range(_lib.ramba_source_count(self._handle)):
            source = _capi.Source()
            _check(_lib.ramba_source_at(self._handle, i, ctypes.byref(source)))
            sources.append(Source(*_capi.passage(source), source.chunk, source.weight))
        return Answer(
            text,
            Stop(_lib.ramba_stop_reason(self._handle)),
            Support(_lib.ramba_answer_support(self._handle)),
            _lib.ramba_answer_weight(self._handle),
            _lib.ramba_answer_probability(self._handle),
            quotes,
            sources,
        )


class Stream(Iterator[str]):
    """The texts of an answer's tokens as they come. Leaving the loop early and closing it, or dropping it, stops the answer."""

    def __init__(self, work: Callable[[Callable[[str], object]], Answer]) -> None:
        self._texts: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._stopped = False
        self._answer: Optional[Answer] = None
        texts = self._texts
        # The thread must not keep the stream: dropping it is what stops the thread.
        stopped = self._stop = threading.Event()

        def run() -> None:
            try:
                texts.put(work(lambda text: texts.put(text) or not stopped.is_set()))
            except BaseException as error:  # noqa: BLE001 (raised where the stream is read)
                texts.put(error)

        self._thread = threading.Thread(target=run, name="ramba-stream", daemon=True)
        self._thread.start()

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> str:
        while self._answer is None and not self._stopped:
            item = self._texts.get()
            if isinstance(item, str):
                if item:
                    return item
                continue
            self._stopped = True
            self._thread.join()
            if isinstance(item, BaseException):
                raise item
            self._answer = item
        raise StopIteration

    @property
    def answer(self) -> Answer:
        """The whole answer; reads on to its end first."""
        for _ in self:
            pass
        if self._answer is None:
            raise ValueError("the stream was closed before its end")
        return self._answer

    def close(self) -> None:
        """Stops the answer, and waits until it has."""
        self._stop.set()
        self._stopped = True
        self._thread.join()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], at: Optional[TracebackType]) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_stop"):
            self._stop.set()


class Library(_Handle):
    """Documents in a folder that lasts: read once, asked for years. `Model.library()` opens one."""

    _close = _lib.ramba_library_close

    @classmethod
    def _new(cls, owner: _Handle) -> "Library":
        library = super()._new(owner)
        library._names = threading.Lock()
        return library

    def _session(self, call: Any, *arguments: Any) -> Memory:
        memory = Memory._new(self)
        _check(call(self._handle, *arguments, ctypes.byref(memory._handle)))
        return memory

    @property
    def documents(self) -> List[str]:
        """The names of the documents, in the order in which they came."""
        count, length, names = ctypes.c_size_t(), ctypes.c_size_t(), []
        with self._names:
            _check(_lib.ramba_library_document_count(self._handle, ctypes.byref(count)))
            for i in range(count.value):
                name = _lib.ramba_library_document_name(self._handle, i, ctypes.byref(length))
                names.append(ctypes.string_at(name, length.value).decode())
        return names

    def add(self, name: str) -> Memory:
        """A new document, empty. It is in the library when it is first committed."""
        return self._session(_lib.ramba_library_add, name.encode())

    def replace(self, name: str) -> Memory:
        """A new document that takes the place of the one with that name, if there is one, when it is first committed."""
        return self._session(_lib.ramba_library_replace, name.encode())

    def open(self, name: str) -> Memory:
        """A document as it was last committed: nothing of it is read again."""
        return self._session(_lib.ramba_library_document, name.encode())

    def open_many(self, names: Optional[List[str]] = None) -> Memory:
        """Some documents, or all of them, to be asked together."""
        encoded = [name.encode() for name in (self.documents if names is None else names)]
        return self._session(_lib.ramba_library_documents, (ctypes.c_char_p * len(encoded))(*encoded), len(encoded))

    def remove(self, name: str) -> None:
        """Removes a document."""
        _check(_lib.ramba_library_remove(self._handle, name.encode()))

    def verify(self) -> List[Damage]:
        """Reads all of every document, and tells what is not as it was written."""
        return _damages(_lib.ramba_library_verify, self._handle)


def ask(model: Union[Model, Path], document: str, question: str, **options: Any) -> Answer:
    """Reads the text of `document` and answers one question about it."""
    if not isinstance(model, Model):
        with Model(model) as opened:
            return ask(opened, document, question, **options)
    model.check_question(question, **options)
    with model.memory() as memory:
        memory.feed(document)
        return memory.ask(question, **options)
