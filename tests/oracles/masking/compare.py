"""Every read shape, direct and through: the answer through the gateway must be, byte for byte, what the
oracle makes of the direct one."""

import json
import random
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import jsonspans
import kinds
import paths
from client import Http1, Http2, query
from masker import Seen
from policy import Request

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIALS = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PROTOBUF = "application/vnd.kubernetes.protobuf"
WATCH_LIST = {
    "watch": "1",
    "allowWatchBookmarks": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
}
BOOKMARK = b'{"type":"BOOKMARK"'

# BOUND: how often a shape is asked again because the cluster moved or a second went by.
ATTEMPTS = 12
CONTEXT_BYTES = 160


class Shape:
    """A request, and what the gateway judges of it."""

    def __init__(self, title, request, method, target, accept=JSON, body=None, media=None, until=None, direct=None):
        self.title, self.request, self.method, self.target = title, request, method, target
        self.accept, self.body, self.media, self.until = accept, body, media, until
        # What is asked directly, where that differs from what is asked through the gateway.
        self.direct_accept = direct or accept
        self.answers, self.parsed = {}, {}

        # Fields that the body sets: where one of them is masked, the write is refused.
        self.sets = ()

    def setting(self, *fields):
        self.sets = tuple(paths.parse(field) for field in fields)

    def is_watch(self):
        return self.request.verb == "watch"

    def ask(self, client, accept):
        return client.ask(self.method, self.target, accept, self.body, self.media or JSON, self.until)

    def direct(self, client, accept, anew=False):
        """The direct answer; the last one, unless it is asked for anew."""
        if anew or accept not in self.answers:
            self.answers[accept] = self.ask(client, accept)
        return self.answers[accept]

    def documents(self, body):
        """The answer, parsed once for all users."""
        if body not in self.parsed:
            self.parsed = {body: jsonspans.documents(body, self.is_watch())}
        return self.parsed[body]


def events(count):
    """Enough of a watch has come: so many events."""
    return lambda body: body.count(b"\n") >= count


def bookmarked(body):
    """Enough of a watch has come: the bookmark that ends the objects that were there."""
    return BOOKMARK in body and body.endswith(b"\n")


class Differential:
    def __init__(self, policy, direct, through, seed, full):
        self.policy, self.direct, self.through = policy, direct, through
        self.seed, self.full = seed, full
        # Kinds by their keys; all, if there are none.
        self.only = ()
        self.lock = threading.Lock()
        self.compared, self.seen, self.faults = 0, Seen(), []
        self.by_shape, self.asked_again, self.tables_kept, self.tables_lost = {}, 0, 0, 0

    # ── what is asked ──

    def shapes(self, kind, client, chance):
        """All shapes of a kind."""
        listed = client.ask("GET", kind.path()).json()["items"]
        here = [each for each in listed if each["metadata"].get("namespace") in (None, "harbour", "team-a")]
        chosen = chance.sample(here, k=min(len(here), 4 if self.full else 2))
        namespaces = ["harbour", "team-a"] if self.full else [chance.choice(["harbour", "team-a"])]
        wide = not kind.namespaced
        found = []

        def judged(verb, namespace=None, name=None, subresource=""):
            if kind.key == "namespaces" and name is not None:
                return Request(verb, kind.key, subresource, name, name)
            return Request(verb, kind.key, subresource, namespace, name, wide)

        def add(title, request, method, target, **more):
            found.append(Shape(title, request, method, target, **more))
            return found[-1]

        for each in chosen:
            name, namespace = each["metadata"]["name"], each["metadata"].get("namespace")
            path = kind.path(namespace, name)
            get = judged("get", namespace, name)
            add("get", get, "GET", path)
            add("get pretty", get, "GET", query(path, pretty="true"))
            add("get table", get, "GET", path, accept=TABLE)
            add("get table or object", get, "GET", query(path, includeObject="Object"), accept=f"{TABLE},{JSON}")
            add("get metadata", get, "GET", path, accept=PARTIAL)
            add("get protobuf", get, "GET", path, accept=PROTOBUF, direct=JSON)
            add("get yaml", get, "GET", path, accept="application/yaml, */*;q=0.1", direct=JSON)
            for subresource in kind.subresources:
                of_part = judged("get", namespace, name, subresource)
                add(f"get {subresource}", of_part, "GET", f"{path}/{subresource}")
            if self.full or each is chosen[0]:
                self.echoes(add, judged, kind, each, path)
        for namespace in [None] + (namespaces if kind.namespaced else []):
            count = sum(1 for each in listed if namespace in (None, each["metadata"].get("namespace")))
            self.lists(add, judged, kind.path(namespace), namespace, count, chance)
            if count:
                watch = judged("watch", namespace)
                path = kind.path(namespace, watch=True)
                add("legacy watch", watch, "GET", query(path, resourceVersion="0"), until=events(count))
        return found

    def echoes(self, add, judged, kind, each, path):
        """Writes that change nothing and answer with the object."""
        name, namespace = each["metadata"]["name"], each["metadata"].get("namespace")
        patch = judged("patch", namespace, name)
        dry = query(path, dryRun="All", fieldManager="oracle")
        label = b'{"metadata":{"labels":{"oracle":"dry"}}}'
        add("empty patch", patch, "PATCH", dry, body=b"{}", media="application/merge-patch+json")
        merge = add("merge patch", patch, "PATCH", dry, body=label, media="application/merge-patch+json")
        merge.setting("metadata.labels.oracle")
        operation = b'[{"op":"add","path":"/metadata/labels","value":{"oracle":"dry"}}]'
        json_patch = add("JSON patch", patch, "PATCH", dry, body=operation, media="application/json-patch+json")
        json_patch.setting("metadata.labels")
        apply = b'{"apiVersion":"%s","kind":"%s","metadata":{"name":"%s","labels":{"oracle":"dry"}}}'
        api = f"{kind.group}/{kind.version}" if kind.group else kind.version
        applied = add("apply", patch, "PATCH", dry + "&force=true", media="application/apply-patch+yaml",
                      body=apply % (api.encode(), kind.name.encode(), name.encode()))
        applied.setting("apiVersion", "kind", "metadata.name", "metadata.labels.oracle")
        if kind.key not in ("namespaces",):
            delete = judged("delete", namespace, name)
            add("dry delete", delete, "DELETE", query(path, dryRun="All", propagationPolicy="Foreground"))
        if "status" in kind.subresources:
            of_part = judged("patch", namespace, name, "status")
            target = query(f"{path}/status", dryRun="All", fieldManager="oracle")
            add("status patch", of_part, "PATCH", target, body=b"{}", media="application/merge-patch+json")

    def lists(self, add, judged, path, namespace, count, chance):
        one, watch = judged("list", namespace), judged("watch", namespace)
        add("list", one, "GET", path)
        add("list pretty", one, "GET", query(path, pretty="true"))
        add("list any version", one, "GET", query(path, resourceVersion="0"))
        add("list metadata", one, "GET", path, accept=PARTIALS)
        add("list protobuf", one, "GET", path, accept=PROTOBUF, direct=JSON)
        for included in ("None", "Metadata", "Object"):
            add(f"list table {included}", one, "GET", query(path, includeObject=included), accept=TABLE)
        add("list chunked", one, "GET", query(path, limit="3"))
        add("list chunked table", one, "GET", query(path, limit="2"), accept=f"{TABLE},{JSON}")
        if not count:
            return
        enough = events(count)
        old = {"watch": "1", "resourceVersion": "0"}
        add("watch", watch, "GET", query(path, **old), until=enough)
        add("watch metadata", watch, "GET", query(path, **old), accept=PARTIAL, until=enough)
        for included in ("None", "Metadata", "Object"):
            target = query(path, includeObject=included, **old)
            add(f"watch table {included}", watch, "GET", target, accept=TABLE, until=enough)
        add("watch list", watch, "GET", query(path, **WATCH_LIST), until=bookmarked)
        add("watch list table", watch, "GET", query(path, **WATCH_LIST), accept=f"{TABLE},{JSON}", until=bookmarked)
        if self.full or chance.random() < 0.1:
            add("watch to its end", watch, "GET", query(path, timeoutSeconds="1", **old))

    # ── asking ──

    def run(self, users, workers):
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(self.kind, kind, users) for kind in kinds.KINDS if not self.only or kind.key in self.only]:
                done.result()

    def kind(self, kind, users):
        direct, chance = Http1(self.direct), random.Random(f"{self.seed} {kind.key}")
        by_user = {}
        for shape in self.shapes(kind, direct, chance):
            # Each mask meets each object once.
            every = shape.title == "list" and shape.request.namespace is None
            chosen = users if self.full or every else chance.sample(users, k=2)
            for user in chosen:
                client = self.client(by_user, user, chance)
                self.compare(kind, shape, user, direct, client)
                if shape.title.startswith("list chunked"):
                    self.next_chunk(kind, shape, user, direct, client)
        for client in [direct, *by_user.values()]:
            client.close()

    def client(self, by_user, user, chance):
        """HTTP/1.1 and HTTP/2 by turns."""
        if user not in by_user:
            make = Http2 if chance.random() < 0.5 else Http1
            by_user[user] = make(self.through[user])
        return by_user[user]

    def next_chunk(self, kind, shape, user, direct, client):
        first = json.loads(shape.direct(direct, shape.accept).body)
        token = first["metadata"].get("continue")
        if token:
            target = shape.target + "&continue=" + urllib.parse.quote(token)
            more = Shape(shape.title + ", next", shape.request, "GET", target, accept=shape.accept)
            self.compare(kind, more, user, direct, client)

    def compare(self, kind, shape, user, direct, client):
        """Asks until nothing moved between two direct answers around the one through the gateway."""
        masking = self.policy.masking(user, shape.request)
        accept = shape.direct_accept
        if masking is None:
            accept = shape.accept
        elif "as=Table" in accept and not masking.keeps_tables():
            accept = JSON
        expected, seen = None, None
        for _attempt in range(ATTEMPTS):
            before = shape.direct(direct, accept)
            answer = shape.ask(client, shape.accept)
            is_patch = shape.request.verb == "patch"
            if answer.status in (0, 403) and is_patch and masking is not None and masking.meets(shape.sets):
                return
            if before.status != 200:
                # Refusals are made anew under masks; other tests look at them.
                if answer.status in (0, before.status):
                    return
                expected = None
            else:
                expected, seen = self.expected(shape, masking, before)
                if answer.status == 200 and answer.body == expected:
                    break
            # Did something move, or a second go by?
            after = shape.direct(direct, accept, anew=True)
            if (before.status, before.body) == (after.status, after.body):
                break
            with self.lock:
                self.asked_again += 1
        else:
            return self.fault(kind, shape, user, "the cluster does not come to rest")
        with self.lock:
            self.count(shape, masking, accept, seen)
        if expected is None or answer.status != 200:
            return self.fault(kind, shape, user, f"{answer.status} in place of {before.status}: {answer.body[:600]!r}")
        if answer.body != expected:
            self.fault(kind, shape, user, difference(before.body, expected, answer.body))
        elif isinstance(client, Http1) and not _is_told(masking, before, answer):
            self.fault(kind, shape, user, f"its head says {answer.media!r} {answer.warnings!r}")

    def expected(self, shape, masking, answer):
        """What must come through, and what was masked in it."""
        seen = Seen()
        if masking is None:
            return answer.body, seen
        program = masking.program(shape.is_watch())
        return program.mask(answer.body, seen, shape.documents(answer.body)), seen

    def count(self, shape, masking, accept, seen):
        self.compared += 1
        self.by_shape[shape.title] = self.by_shape.get(shape.title, 0) + 1
        if seen:
            self.seen.values += seen.values
            self.seen.origins |= seen.origins
        if masking is not None and "as=Table" in shape.accept:
            if "as=Table" in accept:
                self.tables_kept += 1
            else:
                self.tables_lost += 1

    def fault(self, kind, shape, user, text):
        with self.lock:
            self.faults.append(f"{kind.key} · {shape.title} · {user} · {shape.method} {shape.target}\n  {text}")


def _is_told(masking, direct, answer):
    """The head says what came, and that it is masked."""
    told = "values may be masked by" in answer.warnings
    return answer.media == direct.media and told == (masking is not None)


def difference(direct, expected, found):
    """Where two answers part, with what stands around it."""
    at = next((at for at, (a, b) in enumerate(zip(expected, found)) if a != b), min(len(expected), len(found)))
    start = max(0, at - CONTEXT_BYTES)
    show = lambda text: repr(text[start : at + CONTEXT_BYTES].decode("utf-8", "replace"))
    return (
        f"first difference at byte {at} of {len(expected)} expected and {len(found)} found ({len(direct)} direct)\n"
        f"  expected {show(expected)}\n  found    {show(found)}"
    )
