"""HTTPS to a kube-apiserver or a gateway: HTTP/1.1 by the standard library, HTTP/2 as far as one request
after another needs it."""

import http.client
import json
import socket
import ssl
import struct
import urllib.parse

PATIENCE_SECONDS = 60


class Broken(Exception):
    """The answer did not end as it should."""


class Server:
    """Where to ask, and as whom."""

    def __init__(self, address, ca, token=None, certificate=None):
        self.host, port = address.rsplit(":", 1)
        self.port, self.token = int(port), token
        self.ca, self.certificate = ca, certificate

    def context(self, protocol):
        context = ssl.create_default_context(cafile=self.ca)
        context.set_alpn_protocols([protocol])
        if self.certificate:
            context.load_cert_chain(*self.certificate)
        return context

    def headers(self, accept):
        headers = {"Accept": accept, "User-Agent": "masking-oracle"}
        if self.token:
            headers["Authorization"] = "Bearer " + self.token
        return headers


class Answer:
    def __init__(self, status, media, body, warnings=""):
        self.status, self.media, self.body, self.warnings = status, media, body, warnings

    def json(self):
        return json.loads(self.body)


class Http1:
    """One connection, kept open between requests."""

    def __init__(self, server):
        self.server, self.connection = server, None
        self.context = server.context("http/1.1")

    def ask(self, method, target, accept="application/json", body=None, media="application/json", until=None):
        """The answer. `until` tells when enough of a watch has come; the connection is closed then."""
        headers = self.server.headers(accept)
        if body is not None:
            headers["Content-Type"] = media
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(
                    self.server.host, self.server.port, context=self.context, timeout=PATIENCE_SECONDS
                )
            try:
                self.connection.request(method, target, body=body, headers=headers)
                response = self.connection.getresponse()
                break
            except (ConnectionError, http.client.HTTPException):
                # The other side may close a connection that rests.
                self.close()
                if attempt == 2:
                    raise
        try:
            return self.read(response, until)
        except (http.client.IncompleteRead, ConnectionError, TimeoutError) as fault:
            self.close()
            raise Broken(f"{target}: {fault!r}") from fault

    def read(self, response, until):
        media = (response.getheader("Content-Type") or "").split(";")[0]
        warnings = response.getheader("Warning") or ""
        if until is None or response.status != 200:
            answer = Answer(response.status, media, response.read(), warnings)
            if response.will_close:
                self.close()
            return answer
        body = b""
        while not until(body):
            piece = response.read1(1 << 16)
            if not piece:
                break
            body += piece
        self.close()
        return Answer(response.status, media, body, warnings)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


class Http2:
    """A client of RFC 9113 that sends one request at a time, has no table of header fields and lets the
    other side send as much as it likes."""

    WINDOW = (1 << 31) - 1
    DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9

    def __init__(self, server):
        self.server = server
        plain = socket.create_connection((server.host, server.port), timeout=PATIENCE_SECONDS)
        self.socket = server.context("h2").wrap_socket(plain, server_hostname=server.host)
        if self.socket.selected_alpn_protocol() != "h2":
            raise Broken("no HTTP/2")
        self.buffer, self.stream = b"", -1
        # No table, no push, whole windows.
        settings = struct.pack(">HIHIHI", 1, 0, 2, 0, 4, self.WINDOW)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.send(self.SETTINGS, 0, 0, settings)
        self.send(self.WINDOW_UPDATE, 0, 0, struct.pack(">I", self.WINDOW - 65535))

    def send(self, kind, flags, stream, payload):
        self.socket.sendall(struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload)

    def exactly(self, count):
        while len(self.buffer) < count:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise Broken("the connection ended")
            self.buffer += piece
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def frame(self):
        head = self.exactly(9)
        length = int.from_bytes(head[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", head[3:])
        return kind, flags, stream, self.exactly(length)

    def ask(self, method, target, accept="application/json", body=None, media="application/json", until=None):
        self.stream += 2
        fields = [(":method", method), (":scheme", "https"), (":authority", self.server.host), (":path", target)]
        fields += [(name.lower(), value) for name, value in self.server.headers(accept).items()]
        if body is not None:
            fields += [("content-type", media), ("content-length", str(len(body)))]
        block = b"".join(b"\0" + _literal(name) + _literal(value) for name, value in fields)
        self.send(self.HEADERS, 4 if body is not None else 5, self.stream, block)
        if body is not None:
            self.send(self.DATA, 1, self.stream, body)
        return self.answer(until)

    def answer(self, until):
        status, body = None, b""
        while True:
            kind, flags, stream, payload = self.frame()
            if kind == self.SETTINGS and not flags & 1:
                self.send(self.SETTINGS, 1, 0, b"")
            elif kind == self.PING and not flags & 1:
                self.send(self.PING, 1, 0, payload)
            elif kind == self.GOAWAY or (kind == self.RST and stream == self.stream):
                raise Broken(f"frame {kind} after {len(body)} bytes")
            if stream != self.stream or kind not in (self.HEADERS, self.DATA):
                continue
            if kind == self.HEADERS and status is None:
                status = _status(payload)
            if kind == self.DATA:
                body += payload
                # What one stream has taken, the connection gets back.
                if payload:
                    self.send(self.WINDOW_UPDATE, 0, 0, struct.pack(">I", len(payload)))
            if flags & 1 or (until is not None and status == 200 and until(body)):
                if not flags & 1:
                    self.send(self.RST, 0, self.stream, struct.pack(">I", 8))
                return Answer(status, "", body)

    def close(self):
        self.socket.close()


def _literal(text):
    data = text.encode()
    if len(data) < 127:
        return bytes([len(data)]) + data
    out, rest = [127], len(data) - 127
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes(out + [rest]) + data


def _status(block):
    """`:status` comes first: one of the static table, or a literal with an indexed name."""
    known = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
    at = 0
    while block[at] & 0xE0 == 0x20:
        at += 1  # a change of the table's size
    return known.get(block[at], 0)


def query(path, **parameters):
    return path + ("?" + urllib.parse.urlencode(parameters) if parameters else "")
