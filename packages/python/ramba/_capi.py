"""ramba.h for ctypes."""

import ctypes
import os
from ctypes import POINTER, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any, Callable, List, Sequence, Tuple

ABI = 1
NONE = 2**64 - 1


def _load() -> ctypes.CDLL:
    name = f"libramba.so.{ABI}"
    packed = os.path.join(os.path.dirname(__file__), name)
    # RAMBA_LIBRARY: another build, such as one with CUDA. Without one in the package, the system's.
    library = ctypes.CDLL(os.environ.get("RAMBA_LIBRARY") or (packed if os.path.exists(packed) else name))
    library.ramba_abi_version.restype = c_uint32
    found = library.ramba_abi_version()
    if found != ABI:
        raise ImportError(f"{library._name} has version {found} of the interface, and this package is for {ABI}")
    return library


lib = _load()

OnLoad = ctypes.CFUNCTYPE(c_int, c_uint64, c_uint64, c_void_p)
OnToken = ctypes.CFUNCTYPE(c_int, c_uint32, c_void_p, c_size_t, c_void_p)
OnDamage = ctypes.CFUNCTYPE(None, c_char_p, c_uint64, c_char_p, c_void_p)


class Progress(ctypes.Structure):
    _fields_ = [("bytes", c_uint64), ("tokens", c_uint64), ("chunks", c_uint64)]


class Usage(ctypes.Structure):
    _fields_ = [(name, c_uint64) for name in ("weights", "repacked", "scratch", "state", "cache", "disk", "anonymous")]


OnProgress = ctypes.CFUNCTYPE(c_int, POINTER(Progress), c_void_p)


class ModelOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("device", c_uint32),
        ("device_index", c_int32),
        ("threads", c_uint32),
        ("encoder", c_uint32),
        ("encoder_file", c_char_p),
        ("encoder_library", c_char_p),
        ("encoder_provider", c_char_p),
        ("encoder_allow_cpu", c_uint32),
        ("no_repack", c_uint32),
        ("on_load", OnLoad),
        ("user", c_void_p),
    ]


class SessionOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("budget_bytes", c_uint64),
        ("device_budget_bytes", c_uint64),
        ("directory", c_char_p),
        ("precision", c_uint32),
        ("skip_hsa_while_reading", c_uint32),
        ("skip_damaged", c_uint32),
        ("reserved", c_uint32),
    ]


class AskOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("max_tokens", c_uint64),
        ("seed", c_uint64),
        ("top_k", c_uint64),
        ("decoding", c_uint32),
        ("temperature", c_float),
        ("top_p", c_float),
        ("min_source_weight", c_float),
    ]


_PASSAGE = [
    ("byte_start", c_uint64),
    ("byte_end", c_uint64),
    ("origin_start", c_uint64),
    ("origin_end", c_uint64),
    ("text", c_void_p),
    ("text_length", c_size_t),
    ("label", c_void_p),
    ("label_length", c_size_t),
    ("document", c_char_p),
]


class Quote(ctypes.Structure):
    _fields_ = _PASSAGE


class Source(ctypes.Structure):
    _fields_ = [("chunk", c_uint64), *_PASSAGE, ("weight", c_float), ("reserved", c_uint32)]


def passage(p: Any) -> Tuple[Any, ...]:
    """The fields of a `Passage`."""
    origin = None if p.origin_start == NONE else (p.origin_start, p.origin_end)
    text = ctypes.string_at(p.text, p.text_length).decode()
    return (p.byte_start, p.byte_end), origin, text, ctypes.string_at(p.label, p.label_length).decode(), p.document.decode()


def number(what: str, value: str, names: Sequence[str]) -> int:
    """The number of a name."""
    if value not in names:
        raise ValueError(f"{what} {value!r}, expected one of {', '.join(names)}")
    return names.index(value)


def guarded(raised: List[BaseException], stop: Callable[[], bool]) -> int:
    """What a callback returns whose body says whether to stop. What that raises is kept for the caller, and stops."""
    try:
        return int(stop())
    except BaseException as error:  # noqa: BLE001 (raised again by the call)
        raised.append(error)
        return 1


def _declare(result: Any, name: str, *arguments: Any) -> None:
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments


_STATUS, _HANDLE, _OUT = c_int, c_void_p, POINTER(c_void_p)
_ASK = (_HANDLE, c_char_p, c_size_t, POINTER(AskOptions), OnToken, c_void_p)
for _result, _name, _arguments in [
    (c_char_p, "ramba_version", ()),
    (c_char_p, "ramba_last_error", ()),
    (_STATUS, "ramba_model_options_default", (POINTER(ModelOptions), c_size_t)),
    (_STATUS, "ramba_session_options_default", (POINTER(SessionOptions), c_size_t)),
    (_STATUS, "ramba_ask_options_default", (POINTER(AskOptions), c_size_t)),
    (_STATUS, "ramba_model_open", (c_char_p, POINTER(ModelOptions), _OUT)),
    (_STATUS, "ramba_model_open_buffer", (c_void_p, c_size_t, POINTER(ModelOptions), _OUT)),
    (_STATUS, "ramba_model_close", (_HANDLE,)),
    (_STATUS, "ramba_check_question", (_HANDLE, c_char_p, c_size_t, POINTER(AskOptions))),
    (_STATUS, "ramba_session_open", (_HANDLE, POINTER(SessionOptions), _OUT)),
    (_STATUS, "ramba_session_close", (_HANDLE,)),
    (_STATUS, "ramba_set_progress", (_HANDLE, OnProgress, c_void_p)),
    (_STATUS, "ramba_feed", (_HANDLE, c_char_p, c_size_t)),
    (_STATUS, "ramba_mark", (_HANDLE, c_uint64, c_uint64, c_char_p)),
    (_STATUS, "ramba_prefill", (_HANDLE,)),
    (_STATUS, "ramba_commit", (_HANDLE,)),
    (_STATUS, "ramba_cancel", (_HANDLE,)),
    (_STATUS, "ramba_uncancel", (_HANDLE,)),
    (_STATUS, "ramba_progress_of", (_HANDLE, POINTER(Progress))),
    (_STATUS, "ramba_tokens_computed", (_HANDLE, POINTER(c_uint64))),
    (_STATUS, "ramba_usage_of", (_HANDLE, POINTER(Usage))),
    (_STATUS, "ramba_estimate", (c_char_p, POINTER(ModelOptions), POINTER(SessionOptions), c_uint64, c_uint64, POINTER(Usage))),
    (_STATUS, "ramba_skipped", (_HANDLE, OnDamage, c_void_p, POINTER(c_size_t))),
    (_STATUS, "ramba_text", (_HANDLE, c_uint64, c_uint64, _OUT, POINTER(c_size_t))),
    (_STATUS, "ramba_ask", _ASK),
    (_STATUS, "ramba_generate", _ASK),
    (c_void_p, "ramba_answer", (_HANDLE, POINTER(c_size_t))),
    (c_int, "ramba_stop_reason", (_HANDLE,)),
    (c_int, "ramba_answer_support", (_HANDLE,)),
    (c_float, "ramba_answer_weight", (_HANDLE,)),
    (c_float, "ramba_answer_probability", (_HANDLE,)),
    (c_size_t, "ramba_quote_count", (_HANDLE,)),
    (_STATUS, "ramba_quote_at", (_HANDLE, c_size_t, POINTER(Quote))),
    (c_size_t, "ramba_source_count", (_HANDLE,)),
    (_STATUS, "ramba_source_at", (_HANDLE, c_size_t, POINTER(Source))),
    (_STATUS, "ramba_library_open", (_HANDLE, c_char_p, c_int, POINTER(SessionOptions), _OUT)),
    (_STATUS, "ramba_library_close", (_HANDLE,)),
    (_STATUS, "ramba_library_document_count", (_HANDLE, POINTER(c_size_t))),
    (c_void_p, "ramba_library_document_name", (_HANDLE, c_size_t, POINTER(c_size_t))),
    (_STATUS, "ramba_library_add", (_HANDLE, c_char_p, _OUT)),
    (_STATUS, "ramba_library_replace", (_HANDLE, c_char_p, _OUT)),
    (_STATUS, "ramba_library_document", (_HANDLE, c_char_p, _OUT)),
    (_STATUS, "ramba_library_documents", (_HANDLE, POINTER(c_char_p), c_size_t, _OUT)),
    (_STATUS, "ramba_library_remove", (_HANDLE, c_char_p)),
    (_STATUS, "ramba_library_verify", (_HANDLE, OnDamage, c_void_p, POINTER(c_size_t))),
]:
    _declare(_result, _name, *_arguments)
