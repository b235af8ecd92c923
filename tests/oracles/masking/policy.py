"""Masks and rules as data: written as a bundle for the gateway, and asked what an answer becomes."""

from fnmatch import fnmatchcase

import detectors
import known
import paths
from known import LAST_APPLIED, MANAGED_FIELDS
from masker import READ_PLACES, WATCH_PLACES, Guard, Program, Rule
from paths import KEY

DATA = paths.parse("data")
STRING_DATA = paths.parse("stringData")
SPEC, STATUS = paths.parse("spec"), paths.parse("status")
SCALE_SELECTOR = paths.parse("status.selector")
SCALE_OF_BUILTIN = [(SCALE_SELECTOR, [paths.parse("spec.selector")])]
SCALE_OF_CUSTOM = [
    (SCALE_SELECTOR, [SPEC, STATUS]),
    (paths.parse("spec.replicas"), [SPEC]),
    (paths.parse("status.replicas"), [STATUS]),
]
READS = ("get", "list", "watch")
WRITES = ("create", "update", "patch", "delete", "deletecollection")
VERBS = {"read": READS, "write": WRITES, "all": READS + WRITES}

EVENTS = {"events.events.k8s.io": "events"}
SECRET_RESOURCES = (
    "secrets",
    "serviceaccounts/token",
    "sealedsecrets.bitnami.com",
    "externalsecrets.external-secrets.io",
    "clusterexternalsecrets.external-secrets.io",
    "pushsecrets.external-secrets.io",
)
_COPIES = "objectset.rio.cattle.io/applied kapp.k14s.io/original banzaicloud.com/last-applied".split()
_SECRET_LIKE = {
    "secrets": ["data.*", "stringData.*"] + [f"metadata.annotations['{name}']" for name in _COPIES],
    "certificatesigningrequests.certificates.k8s.io": ["status.certificate"],
    "sealedsecrets.bitnami.com": [
        "spec.encryptedData.*",
        "spec.data",
        "spec.template.data.*",
        "spec.template.stringData.*",
    ],
    "externalsecrets.external-secrets.io": [
        "spec.target.template.data.*",
        "spec.target.template.templateFrom[*].literal",
    ],
}


class At:
    """A line `at`."""

    def __init__(self, path, word, key=None, keep=0, inner=()):
        self.path, self.word, self.key, self.keep, self.inner = path, word, key, keep, list(inner)


class Detect:
    """A line `detect`."""

    def __init__(self, words, within=None):
        self.words, self.within = list(words), within


class For:
    """A block `for`."""

    def __init__(self, resources, lines):
        self.resources, self.lines = list(resources), list(lines)


class Require:
    """A rule that names masks. Lines left out mean everything."""

    def __init__(self, user, verbs, resources, masks, namespaces=None, names=None):
        self.user, self.verbs, self.resources = user, list(verbs), list(resources)
        self.masks, self.namespaces, self.names = list(masks), namespaces, names


class Request:
    """What the gateway judges. `namespace` and `name` are None for all and "" where there is none."""

    def __init__(self, verb, kind, subresource="", namespace=None, name=None, cluster_scoped=False):
        self.verb, self.kind, self.subresource = verb, EVENTS.get(kind, kind), subresource
        self.namespace, self.name, self.cluster_scoped = namespace, name, cluster_scoped

    def but(self, **changed):
        other = Request(self.verb, self.kind, self.subresource, self.namespace, self.name, self.cluster_scoped)
        other.__dict__.update(changed)
        return other


class Policy:
    def __init__(self, masks, rules, keys, cluster):
        # Name of a mask: its blocks. The mask that comes with the language is one of them.
        self.masks = dict(masks)
        self.masks["@secret-like"] = [
            For([resource], [At(path, "redact") for path in lines]) for resource, lines in _SECRET_LIKE.items()
        ]
        self.rules, self.keys, self.cluster = rules, keys, cluster
        self.programs = {}

    # ── which masks ──

    def masks_of(self, user, request):
        """The masks of all requests that would show the same object."""
        asked = [request]
        reading = {"deletecollection": "list"}.get(request.verb, "get" if request.verb in WRITES else request.verb)
        if reading != request.verb:
            asked.append(request.but(verb=reading))
        if request.subresource and request.subresource not in known.STREAMS + ("token",):
            asked += [request.but(subresource=""), request.but(verb=reading, subresource="")]
        found = set()
        for each in asked:
            for rule in self.rules:
                if rule.user == user and _applies(rule, each):
                    found.update(rule.masks)
        return frozenset(found)

    # ── what they do ──

    def masking(self, user, request):
        """What the masks of a request do to its answer; None if none concerns it."""
        masks = self.masks_of(user, request)
        key = (masks, request.kind, request.subresource)
        if key not in self.programs:
            self.programs[key] = self._masking(*key)
        return self.programs[key]

    def _masking(self, masks, kind, subresource):
        rules, guards = [], []
        asked = f"{kind}/{subresource}" if subresource else kind
        own = subresource in known.STREAMS + known.OWN_ANSWERS
        objects = [asked] if own or not subresource else [asked, kind]
        template = known.TEMPLATES.get(kind)
        concerned = False
        for mask in sorted(masks):
            for block in self.masks[mask]:
                direct = any(_selects(block.resources, each) for each in objects)
                embedded = bool(template) and _selects(block.resources, "pods") and not _excludes(block.resources, kind)
                concerned = concerned or direct or embedded
                if direct:
                    self._add(block, mask, "", rules, guards)
                if embedded:
                    self._add(block, mask, template, rules, guards)
        if not concerned:
            return None
        return Masking(kind, rules, guards, subresource == "scale")

    def _add(self, block, mask, prefix, rules, guards):
        name = mask.removeprefix("@")
        for line in block.lines:
            if isinstance(line, Detect):
                steps = paths.parse(line.within) if line.within else None
                if prefix:
                    steps = _below(prefix, steps) or paths.parse(prefix)
                guards.append(Guard(name, steps, [detectors.compiled(word) for word in line.words], line))
                continue
            rule = self._rule(name, line)
            if prefix:
                if rule.steps[:1] == ((KEY, b"status"),):
                    continue
                steps = _below(prefix, rule.steps)
                if steps is None:
                    rule = Rule(name, paths.parse(prefix), "redact", origin=line)
                else:
                    rule = rule.at(steps)
            rules.append(rule)

    def _rule(self, name, line):
        inner = ([self._rule(name, each) for each in line.inner], ()) if line.inner else None
        key = self.keys[line.key] if line.key else None
        return Rule(name, paths.parse(line.path), line.word, key, line.keep, inner, line)


class Masking:
    """Rules and detectors that meet on a kind, with all that follows from them."""

    def __init__(self, kind, rules, guards, is_scale):
        self.kind = kind
        self.byte_fields = known.byte_fields(kind)
        if kind == "secrets":
            rules = rules + _of_string_data(rules)
        written = [self._with_bytes(rule) for rule in rules]
        watched = list(guards)
        shown = any(known.managers_may_show(kind, rule.steps) for rule in written)
        shown = shown or any(guard.steps is None or known.managers_may_show(kind, guard.steps) for guard in guards)
        self.rules = list(written)
        self.rules += self._last_applied(written)
        if shown:
            self.rules.append(Rule("", MANAGED_FIELDS, "drop"))
        if is_scale:
            for rule in written:
                self.rules += [Rule(rule.mask, place, "redact") for place in self._shown_by_scale(rule.steps)]
        for guard in guards:
            if guard.steps is not None:
                watched.append(Guard(guard.mask, LAST_APPLIED, guard.detectors, guard.origin))
                for place in self._shown_by_scale(guard.steps) if is_scale else ():
                    watched.append(Guard(guard.mask, place, guard.detectors, guard.origin))
        self.guards = watched
        self.paths = [rule.steps for rule in self.rules] + [guard.steps for guard in watched if guard.steps is not None]
        self.programs = {}

    def _with_bytes(self, rule):
        """Within the last-applied annotation fields hold bytes as outside."""
        if rule.steps != LAST_APPLIED or rule.word != "json":
            return rule
        changed = rule.at(rule.steps)
        changed.inner = (rule.inner[0], tuple(self.byte_fields))
        return changed

    def _last_applied(self, written):
        by_mask = {}
        for rule in written:
            if rule.steps != LAST_APPLIED:
                own = by_mask.setdefault(rule.mask, [])
                own.append(rule)
                if self.kind == "controllerrevisions.apps" and rule.steps[:1] == DATA:
                    own.append(rule.at(rule.steps[1:]))
        return [
            Rule(mask, LAST_APPLIED, "json", inner=(rules, tuple(self.byte_fields)))
            for mask, rules in sorted(by_mask.items())
        ]

    def _shown_by_scale(self, steps):
        """Where a Scale prints what is at the path; of a custom kind it may print any field."""
        sources = SCALE_OF_CUSTOM if self.kind not in known.KINDS else SCALE_OF_BUILTIN
        return [place for place, shown in sources if any(paths.may_meet(steps, own) for own in shown)]

    def keeps_tables(self):
        if any(guard.steps is None for guard in self.guards):
            return False
        return not any(known.cells_may_show(self.kind, steps) for steps in self.paths)

    def meets(self, fields):
        """Whether one of these fields may be masked, hold what is masked or stand within it."""
        if fields and any(guard.steps is None for guard in self.guards):
            return True
        # Of a body that is masked whole even an empty one sets something.
        if any(all(step == (paths.ANY_DEPTH,) for step in rule.steps) for rule in self.rules):
            return True
        return any(paths.may_meet(steps, field) for steps in self.paths for field in fields)

    def program(self, is_watch):
        if is_watch not in self.programs:
            places = WATCH_PLACES if is_watch else READ_PLACES
            self.programs[is_watch] = Program(self.rules, self.guards, self.byte_fields, places, is_watch)
        return self.programs[is_watch]


def _of_string_data(rules):
    """What is masked in `data` of a Secret is masked in `stringData`, which is the same without base64."""
    found = []
    for rule in rules:
        if rule.steps[:1] == DATA:
            steps = STRING_DATA + rule.steps[1:]
            if not any(each.mask == rule.mask and each.steps == steps for each in rules):
                found.append(rule.at(steps))
    return found


def _below(prefix, steps):
    """The path behind the one of a template; None if it becomes too long."""
    if steps is None:
        return None
    whole = paths.parse(prefix) + steps
    return None if len(paths.show(whole).encode()) > 256 or len(whole) > 32 else whole


# ── rules and resources ──


def _applies(rule, request):
    verbs = {verb for word in rule.verbs for verb in VERBS.get(word, (word,))}
    if request.verb not in verbs:
        return False
    asked = f"{request.kind}/{request.subresource}" if request.subresource else request.kind
    if not _selects(rule.resources, asked):
        return False
    if rule.namespaces is not None:
        if request.cluster_scoped:
            if "@cluster" not in rule.namespaces:
                return False
        elif request.namespace is not None and not any(
            fnmatchcase(request.namespace, pattern) for pattern in rule.namespaces
        ):
            return False
    if rule.names is not None and request.name is not None:
        return any(fnmatchcase(request.name, pattern) for pattern in rule.names)
    return True


def _selects(resources, asked):
    found = False
    for word in resources:
        if not word.startswith("!"):
            found = found or _is_resource(word, asked)
    return found and not _excludes(resources, asked)


def _excludes(resources, asked):
    return any(_is_resource(word[1:], asked) for word in resources if word.startswith("!"))


def _is_resource(word, asked):
    if word == "@secret-like":
        return asked in SECRET_RESOURCES
    if word == "*/*":
        return True
    word, _, subresource = word.partition("/")
    asked, _, of_asked = asked.partition("/")
    # Served under two names, one resource.
    word = EVENTS.get(word, word)
    return word in ("*", asked) and (subresource == of_asked or (subresource == "*" and of_asked != ""))


# ── the bundle as text ──


def _text(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _detector(word):
    return '(re)' + _text(word[4:]) if word.startswith("(re)") else _text(word)


def _line(line, depth):
    space = "    " * depth
    if isinstance(line, Detect):
        within = f" in={_text(line.within)}" if line.within else ""
        return f"{space}detect {' '.join(_detector(word) for word in line.words)} redact{within}\n"
    out = f"{space}at {_text(line.path)} {line.word}"
    if line.key:
        out += f" key={_text(line.key)}"
    if line.keep:
        out += f" keep-last={line.keep}"
    if line.inner:
        out += " {\n" + "".join(_line(each, depth + 1) for each in line.inner) + space + "}"
    return out + "\n"


def _words(words):
    return " ".join(_text(word) for word in words)


def masks_kdl(policy, key_files):
    out = [f'hmac-key {_text(name)} file={_text(path)}\n' for name, path in sorted(key_files.items())]
    for name, blocks in sorted(policy.masks.items()):
        if name.startswith("@"):
            continue
        out.append(f"mask {_text(name)} {{\n")
        for block in blocks:
            lines = "".join(_line(line, 2) for line in block.lines)
            out.append(f"    for {_words(block.resources)} {{\n{lines}    }}\n")
        out.append("}\n")
    return "".join(out)


def rules_kdl(policy):
    out = []
    for number, rule in enumerate(policy.rules):
        more = ""
        if rule.namespaces is not None:
            more += f"    in {_words(rule.namespaces)}\n"
        if rule.names is not None:
            more += f"    named {_words(rule.names)}\n"
        out.append(
            f'require "r{number}" {{\n    why "What the oracle expects"\n    who {{ group "it:{rule.user}" }}\n'
            f"    can {' '.join(rule.verbs)}\n    on {_words(rule.resources)}\n{more}    mask {_words(rule.masks)}\n}}\n"
        )
    return "".join(out)
