"""The expected answer: a direct answer with values masked, every other byte as it was.

Slow and obvious: the whole text is parsed, then walked from the root with the steps that each path may
still take.
"""

import base64
import json

import detectors
import jsonspans
import strategies
from jsonspans import ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING
from paths import ANY_DEPTH, ANY_ELEMENT, ANY_KEY, ELEMENT, KEY

RANK = {"drop": 0, "redact": 1, "hash": 2, "fpe": 3, "partial": 4, "json": 5, "base64": 5, "yaml": 5}
DOCUMENTS = ("json", "base64", "yaml")
WATCHED_BYTES_MAX = 256 * 1024
READ_BYTES_MAX = 2 * 1024 * 1024

# One more step for the end of `a.**`: a member or an element, whichever.
_ANY_CHILD = ("any child",)
_NONE = frozenset()

_ITEMS, _ROWS, _OBJECT = (KEY, b"items"), (KEY, b"rows"), (KEY, b"object")
READ_PLACES = ((), (_ITEMS, (ANY_ELEMENT,)), (_ROWS, (ANY_ELEMENT,), _OBJECT))
WATCH_PLACES = tuple((_OBJECT,) + place for place in READ_PLACES)


class Rule:
    """A mask at a path. `origin` is the line of the bundle that it comes from."""

    __slots__ = ("mask", "steps", "word", "key", "keep", "inner", "origin")

    def __init__(self, mask, steps, word, key=None, keep=0, inner=None, origin=None):
        self.mask, self.steps, self.word = mask, steps, word
        self.key, self.keep, self.inner, self.origin = key, keep, inner, origin

    def at(self, steps):
        return Rule(self.mask, steps, self.word, self.key, self.keep, self.inner, self.origin)


class Guard:
    """Detectors; `steps` is None where they watch everything."""

    __slots__ = ("mask", "steps", "detectors", "origin")

    def __init__(self, mask, steps, detectors, origin=None):
        self.mask, self.steps, self.detectors, self.origin = mask, steps, detectors, origin


class Program:
    """Rules at the places where the object stands. `byte_fields` are paths of fields that hold base64."""

    def __init__(self, rules, guards=(), byte_fields=(), places=((),), many=False):
        self.rules, self.guards, self.many = list(rules), list(guards), many
        # (steps, what the end of them means, number of the rule or guard, number of the place)
        self.patterns = []
        for number, place in enumerate(places):
            for index, rule in enumerate(self.rules):
                deep = (_ANY_CHILD,) if rule.steps[-1:] == ((ANY_DEPTH,),) else ()
                self.patterns.append((place + rule.steps + deep, "rule", index, number))
            for index, guard in enumerate(self.guards):
                steps = guard.steps or ()
                deep = () if steps[-1:] == ((ANY_DEPTH,),) else ((ANY_DEPTH,),)
                self.patterns.append((place + steps + deep, "guard", index, number))
            for index, steps in enumerate(byte_fields):
                self.patterns.append((place + steps, "bytes", index, number))
        # What was worked out before.
        self.joined, self.ends, self.ways = {}, {}, {}

    def mask(self, text, seen, documents=None):
        """The masked text. Raises NotJson. `seen` collects what was done."""
        walk = _Walk(self, text, seen)
        documents = documents or jsonspans.documents(text, self.many)
        done = 0
        for document in documents:
            walk.copy(done, document.start)
            if self.many and is_empty_bookmark(text[document.start : document.end]):
                walk.copy(document.start, document.end)
            else:
                walk.value(document, walk.start())
            done = document.end
        walk.copy(done, len(text))
        return b"".join(walk.out)


def is_empty_bookmark(event):
    """A bookmark whose object has its kind, version and the end of the initial events, and is empty otherwise."""
    if not event.startswith(b'{"type":"BOOKMARK"'):
        return False
    rest = json.loads(event)["object"]
    if not isinstance(rest, dict):
        return False
    metadata = rest.get("metadata", {})
    annotations = metadata.pop("annotations", {})
    metadata.pop("resourceVersion", None)
    rest.pop("kind", None), rest.pop("apiVersion", None)
    return set(annotations.items()) <= {("k8s.io/initial-events-end", "true")} and _is_zero(rest)


def _is_zero(value):
    if isinstance(value, dict):
        return all(map(_is_zero, value.values()))
    return not value


class Seen:
    """What was masked: how many values, and by lines of which origin."""

    def __init__(self):
        self.values, self.origins = 0, set()


class _Walk:
    def __init__(self, program, text, seen):
        self.program, self.text, self.seen, self.out = program, text, seen, []

    def copy(self, start, end):
        if start < end:
            self.out.append(self.text[start:end])

    def start(self):
        return self.closed((number, 0, None) for number in range(len(self.program.patterns)))

    def closed(self, items):
        """`**` may stand for nothing."""
        found, waiting = set(), list(items)
        while waiting:
            item = waiting.pop()
            if item in found:
                continue
            found.add(item)
            number, step, gate = item
            if self.step(number, step) == (ANY_DEPTH,):
                waiting.append((number, step + 1, gate))
        return frozenset(found)

    def step(self, number, step):
        steps = self.program.patterns[number][0]
        return steps[step] if step < len(steps) else None

    def reached(self, items):
        """Rules (with whether the field holds bytes) and guards whose path ends here."""
        if items not in self.program.ends:
            self.program.ends[items] = self.end(items)
        return self.program.ends[items]

    def end(self, items):
        rules, guards, byte_places, rule_places = set(), set(), set(), set()
        for number, step, _gate in items:
            steps, meaning, index, place = self.program.patterns[number]
            if step < len(steps):
                continue
            if meaning == "rule":
                rules.add(index)
                rule_places.add(place)
            elif meaning == "guard":
                guards.add(index)
            else:
                byte_places.add(place)
        return tuple(sorted(rules)), tuple(sorted(guards)), bool(byte_places & rule_places)

    def action(self, rules, is_bytes):
        key = (rules, is_bytes)
        if key not in self.program.joined:
            self.program.joined[key] = join([self.program.rules[index] for index in rules], is_bytes)
        return self.program.joined[key]

    def value(self, value, items):
        """Writes a value that stays."""
        if not items:
            return self.copy(value.start, value.end)
        rules, guards, is_bytes = self.reached(items)
        if value.kind == NULL:
            return self.copy(value.start, value.end)
        if rules:
            return self.masked(value, self.action(rules, is_bytes), guards)
        if value.kind == STRING:
            if guards:
                raw = self.text[value.start + 1 : value.end - 1]
                found = self.detect(raw, guards)
                if found is not None:
                    return self.out.append(found)
            return self.copy(value.start, value.end)
        if value.kind in (OBJECT, ARRAY):
            return self.container(value, items)
        return self.copy(value.start, value.end)

    def masked(self, value, action, guards):
        for rule in action.rules:
            self.seen.origins.add(rule.origin)
        if value.kind != STRING:
            self.seen.values += 1
            self.out.append({NUMBER: b"0", BOOLEAN: b"false", OBJECT: b"{}", ARRAY: b"[]"}[value.kind])
            return
        raw = self.text[value.start + 1 : value.end - 1]
        written, count = action.string(raw, self.seen)
        self.seen.values += count
        if guards and action.word not in ("drop", "redact"):
            written = self.detect(written[1:-1], guards) or written
        self.out.append(written)

    def detect(self, raw, guards):
        """The string with what was found replaced, or None."""
        watching = [self.program.guards[index] for index in guards]
        if len(raw) > WATCHED_BYTES_MAX:
            self.seen.values += 1
            self.seen.origins.update(guard.origin for guard in watching)
            return jsonspans.quote(strategies.marker(watching[0].mask))
        text = jsonspans.unescape(raw)
        found = []
        for guard in watching:
            for detector in guard.detectors:
                for start, end in detectors.spans(detector, text):
                    found.append((start, end, guard.mask))
                    self.seen.origins.add(guard.origin)
        if not found:
            return None
        out, done = [], 0
        for start, end, mask in sorted(found):
            if start >= done:
                out += [text[done:start], strategies.marker(mask)]
                self.seen.values += 1
            done = max(done, end)
        out.append(text[done:])
        return jsonspans.quote(b"".join(out))

    def container(self, value, items):
        is_object = value.kind == OBJECT
        # Members that decide a `[key=value]`, as far as they were read.
        asked, read = {gate[0] for _number, _at, gate in items if gate is not None}, {}
        done, kept = value.start, False
        for child in value.children:
            inner = self.below(items, child, read if is_object else None)
            rules, _guards, is_bytes = self.reached(inner) if inner else ((), (), False)
            action = self.action(rules, is_bytes) if rules else None
            if action and action.word == "drop":
                self.copy(done, child.start if child.comma is None else child.comma)
                self.seen.values += 1
                self.seen.origins.update(rule.origin for rule in action.rules)
            else:
                if child.comma is not None and not kept:
                    self.copy(done, child.comma)
                    done = child.comma + 1
                self.copy(done, child.value.start)
                kept = True
                self.value(child.value, inner)
            done = child.value.end
            if child.name in asked:
                is_text = child.value.kind == STRING
                text = jsonspans.unescape(self.text[child.value.start + 1 : child.value.end - 1]) if is_text else None
                read.setdefault(child.name, []).append(text)
        self.copy(done, value.end)

    def below(self, items, child, read):
        """The items of a member's or an element's value. `read` are the members before it."""
        if any(gate is not None for _number, _at, gate in items):
            return self.way(items, child, read)
        key = (items, child.name if read is not None else child.value.kind == OBJECT)
        if key not in self.program.ways:
            self.program.ways[key] = self.way(items, child, read)
        return self.program.ways[key]

    def way(self, items, child, read):
        next_items = []
        for number, at, gate in items:
            step = self.step(number, at)
            if step is None:
                continue
            if gate is not None and not _may_equal(gate, read):
                continue
            word = step[0]
            if word == ANY_DEPTH:
                next_items.append((number, at, None))
            elif step is _ANY_CHILD:
                next_items.append((number, at + 1, None))
            elif read is not None:
                if word == ANY_KEY or (word == KEY and step[1] == child.name):
                    next_items.append((number, at + 1, None))
            elif word == ANY_ELEMENT:
                next_items.append((number, at + 1, None))
            elif word == ELEMENT and child.value.kind == OBJECT:
                next_items.append((number, at + 1, step[1:]))
        return self.closed(next_items) if next_items else _NONE


def _may_equal(gate, read):
    """Until the member was read, the element counts as one that is meant."""
    name, wanted = gate
    found = (read or {}).get(name)
    return found is None or wanted in found


class Action:
    """What several rules on one value come to."""

    def __init__(self, word, rule, rules, is_bytes, program=None):
        self.word, self.rule, self.rules, self.is_bytes, self.program = word, rule, rules, is_bytes, program

    def string(self, raw, seen):
        """The string that stands in the place of one, with quotes, and how many values went."""
        done = self.changed(raw, seen) if len(raw) <= READ_BYTES_MAX else None
        if done is None:
            text = strategies.marker(self.rule.mask)
            return jsonspans.quote(self.encoded(text)), 1
        text, count = done
        if text is None:
            return b'"' + raw + b'"', 0
        return jsonspans.quote(self.encoded(text)), count

    def encoded(self, text):
        return base64.b64encode(text) if self.is_bytes else text

    def changed(self, raw, seen):
        if self.word in ("drop", "redact"):
            return None
        text = jsonspans.unescape(raw)
        if self.is_bytes:
            text = strategies.decode_base64(text)
            if text is None:
                return None
        rule = self.rule
        if self.word == "hash":
            return strategies.hashed(rule.mask, rule.key, text), 1
        if self.word == "fpe":
            digits = strategies.other_digits(rule.key, text)
            return None if digits is None else (digits, 1)
        if self.word == "partial":
            tail = strategies.partial(rule.mask, rule.keep, text)
            return None if tail is None else (tail, 1)
        return self.document(text, seen)

    def document(self, text, seen):
        if self.word == "base64":
            text = strategies.decode_base64(text)
            if text is None:
                return None
        inner = Seen()
        try:
            masked = self.program.mask(text, inner)
        except jsonspans.NotJson:
            return None
        seen.origins |= inner.origins
        if self.word == "base64":
            masked = base64.b64encode(masked)
        return masked, inner.values


def join(rules, is_bytes):
    """The strongest; of equals the one whose mask is named first."""

    def order(rule):
        number = rule.keep if rule.word == "partial" else 0
        return RANK[rule.word], number, rule.mask, rule.key.name if rule.key else ""

    first = min(rules, key=order)
    opened = [rule for rule in rules if rule.word in DOCUMENTS]
    if first.word == "partial" and opened:
        return Action("redact", first, rules, is_bytes)
    if first.word not in DOCUMENTS:
        return Action(first.word, first, rules, is_bytes)
    if len({rule.word for rule in opened}) > 1:
        return Action("redact", first, rules, is_bytes)
    inner = [each for rule in opened for each in rule.inner[0]]
    byte_fields = {steps for rule in opened for steps in rule.inner[1]}
    program = Program(inner, byte_fields=sorted(byte_fields))
    return Action(first.word, first, rules, is_bytes, program)
