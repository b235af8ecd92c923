"""JSON as it stands in bytes: a strict parser that keeps the place of everything.

Nothing here is shared with the gateway, nor with Python's own `json`: what is compared are spans of
the original bytes, so repeated names, spellings of numbers and white space survive.
"""

import re
import sys

DEPTH_MAX = 512
# Two calls a level to read a document, two to write it, and documents stand within documents.
sys.setrecursionlimit(DEPTH_MAX * 20)

OBJECT, ARRAY, STRING, NUMBER, BOOLEAN, NULL = "object", "array", "string", "number", "boolean", "null"

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.S)
_SHORT = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_WORDS = ((b"true", BOOLEAN), (b"false", BOOLEAN), (b"null", NULL))


class NotJson(Exception):
    pass


class Value:
    """A value: what it is and where it begins and ends."""

    __slots__ = ("kind", "start", "end", "children")

    def __init__(self, kind, start, end=0, children=()):
        self.kind, self.start, self.end, self.children = kind, start, end, children


class Child:
    """A member or an element: the comma before it, where its name or else its value begins, the text of
    the name."""

    __slots__ = ("comma", "start", "name", "value")

    def __init__(self, comma, start, name, value):
        self.comma, self.start, self.name, self.value = comma, start, name, value


def documents(text, many=False):
    """The documents of a text; one exactly, unless `many`."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise NotJson(str(fault)) from None
    found = []
    at = _SPACE.match(text, 0).end()
    while at < len(text):
        if found and (not many or text[at - 1] not in b" \t\r\n"):
            raise NotJson("text after the document")
        value = _value(text, at, 0)
        found.append(value)
        at = _SPACE.match(text, value.end).end()
    if not many and len(found) != 1:
        raise NotJson("no document")
    return found


def _value(text, at, depth):
    first = text[at : at + 1]
    if first == b'"':
        return Value(STRING, at, _end(_STRING, text, at))
    if first == b"{" or first == b"[":
        return _container(text, at, depth)
    for word, kind in _WORDS:
        if text.startswith(word, at):
            return Value(kind, at, at + len(word))
    return Value(NUMBER, at, _end(_NUMBER, text, at))


def _end(pattern, text, at):
    found = pattern.match(text, at)
    if not found:
        raise NotJson(f"no value at byte {at}")
    return found.end()


def _container(text, start, depth):
    if depth >= DEPTH_MAX:
        raise NotJson("too deep")
    is_object = text[start] == 0x7B
    close = 0x7D if is_object else 0x5D
    value = Value(OBJECT if is_object else ARRAY, start, 0, [])
    at = _SPACE.match(text, start + 1).end()
    if text[at : at + 1] and text[at] == close:
        value.end = at + 1
        return value
    comma = None
    while True:
        begin, name = at, None
        if is_object:
            end = _end(_STRING, text, at)
            name = unescape(text[at + 1 : end - 1])
            at = _SPACE.match(text, end).end()
            if text[at : at + 1] != b":":
                raise NotJson(f"no colon at byte {at}")
            at = _SPACE.match(text, at + 1).end()
        child = _value(text, at, depth + 1)
        value.children.append(Child(comma, begin, name, child))
        at = _SPACE.match(text, child.end).end()
        mark = text[at : at + 1]
        if mark and mark[0] == close:
            value.end = at + 1
            return value
        if mark != b",":
            raise NotJson(f"no comma at byte {at}")
        comma = at
        at = _SPACE.match(text, at + 1).end()


def unescape(raw):
    """The text between the quotes of a string, as bytes. A surrogate without its pair becomes three bytes
    that are no UTF-8."""
    if b"\\" not in raw:
        return raw
    out, done, high = [], 0, None
    for found in _ESCAPE.finditer(raw):
        if found.start() != done:
            high = _lone(out, high)
            out.append(raw[done : found.start()])
        done = found.end()
        digits, short = found.groups()
        if digits is None:
            high = _lone(out, high)
            out.append(_SHORT[short])
            continue
        unit = int(digits, 16)
        if high is not None and 0xDC00 <= unit < 0xE000:
            out.append(chr(0x10000 + ((high - 0xD800) << 10) + unit - 0xDC00).encode())
            high = None
            continue
        high = _lone(out, high)
        if 0xD800 <= unit < 0xDC00:
            high = unit
        else:
            out.append(chr(unit).encode("utf-8", "surrogatepass"))
    _lone(out, high)
    out.append(raw[done:])
    return b"".join(out)


def _lone(out, high):
    if high is not None:
        out.append(chr(high).encode("utf-8", "surrogatepass"))
    return None


_SPECIAL = re.compile(rb'[\x00-\x1f"\\]')
_PLAIN = {b'"': b'\\"', b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}


def quote(text):
    """Bytes as a JSON string in the shortest form that masks write."""
    clean = text.decode("utf-8", "replace").encode()
    return b'"' + _SPECIAL.sub(lambda found: _PLAIN.get(found[0]) or b"\\u%04x" % found[0][0], clean) + b'"'
