"""The policy of the differential: masks that use every word of the language, and masks at random paths of
objects that are really there."""

import jsonspans
import paths
from jsonspans import NULL, OBJECT, STRING
from paths import ANY_DEPTH, ANY_ELEMENT, ANY_KEY, ELEMENT, KEY
from policy import At, Detect, For, Require

SECRET_MASK = "@secret-like"
LAST_APPLIED = "metadata.annotations['kubectl.kubernetes.io/last-applied-configuration']"
# BOUND: paths with `**` that are made up; each multiplies the states of a program.
DEEP_MAX = 5


def written_masks():
    """Masks written by hand: each strategy, each form of a path, each detector."""
    every = ["jwt", "pem", "aws-key", "github-token", "slack-token", "email", "iban", "card"]
    return {
        "secret-hash": [For(["secrets"], [At("data.*", "hash", key="first")])],
        "secret-parts": [
            For(
                ["secrets"],
                [
                    At("data.password", "partial", keep=4),
                    At("data.phone", "fpe", key="second"),
                    At("data.pin", "fpe", key="first"),
                    At("data['config.json']", "json", inner=[At("password", "redact"), At("nested", "drop")]),
                    At("data['.dockerconfigjson']", "json", inner=[At("auths.*.auth", "partial", keep=2)]),
                    At("data.release", "base64", inner=[At("$", "redact")]),
                    At("data['tls.key']", "drop"),
                    At("type", "redact"),
                ],
            )
        ],
        "settings": [
            For(
                ["configmaps"],
                [
                    At("data['app.json']", "json", inner=[At("**.password", "hash", key="second"), At("hosts[*]", "redact")]),
                    At("data['app.yaml']", "yaml", inner=[At("nested.*", "partial", keep=3), At("port", "redact")]),
                    At("data.wrapped", "base64", inner=[At("user", "drop"), At("hosts", "redact")]),
                    At("data.phone", "fpe", key="first"),
                    At("binaryData.pin", "fpe", key="first"),
                    At("binaryData.bin", "hash", key="first"),
                    At("data.html", "partial", keep=5),
                ],
            )
        ],
        "settings-again": [
            For(
                ["configmaps"],
                [
                    At("data['app.json']", "json", inner=[At("user", "redact"), At("nested.html", "partial", keep=1)]),
                    At("data['app.yaml']", "json", inner=[At("user", "redact")]),
                    At("data.wrapped", "partial", keep=4),
                    At("data.empty", "redact"),
                    At(LAST_APPLIED, "json", inner=[At("data.*", "drop"), At("binaryData.*", "partial", keep=1)]),
                ],
            ),
        ],
        "settings-found": [
            For(["configmaps"], [Detect(every + ["(re)session=[0-9a-f]{32}"], "data"), Detect(["email"], "metadata.**")])
        ],
        "pods": [
            For(
                ["pods", "!cronjobs.batch"],
                [
                    At("spec.containers[*].env[*].value", "redact"),
                    At("spec.containers[name=proxy].args", "drop"),
                    At("spec.initContainers[name='init'].args[*]", "partial", keep=8),
                    At("metadata.annotations['corp.example/owner-phone']", "partial", keep=3),
                    At("status.containerStatuses[*].lastState.**", "redact"),
                    At("status.message", "redact"),
                    At("spec.nodeSelector", "redact"),
                ],
            ),
            For(["cronjobs.batch"], [At("spec.schedule", "hash", key="first")]),
        ],
        "pods-found": [For(["pods"], [Detect(every)])],
        "pod-words": [
            For(["pods"], [Detect(["jwt", "(re)--token=[A-Za-z0-9]+"], "spec.containers[*].args"),
                           Detect(["email"], "spec.volumes")]),
            For(["pods/status"], [At("status.phase", "redact")]),
        ],
        "numbers": [
            For(
                ["deployments.apps", "statefulsets.apps", "replicasets.apps", "replicationcontrollers"],
                [At("spec.replicas", "redact"), At("spec.selector", "redact"), At("spec.template.metadata", "redact")],
            ),
            For(["deployments.apps/scale"], [At("status.replicas", "redact")]),
        ],
        "events": [For(["events", "events.events.k8s.io"], [Detect(every), At("**.name", "hash", key="first")])],
        "wide": [For(["*"], [At("metadata.annotations.note", "partial", keep=2), At("spec.token", "redact")])],
        "people": [
            For(
                ["rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io"],
                [At("subjects[*].name", "hash", key="second")],
            ),
            For(["leases.coordination.k8s.io"], [At("spec.holderIdentity", "partial", keep=6)]),
            For(["nodes", "persistentvolumes"], [At("spec.*.volumeAttributes", "redact"), At("spec.providerID", "redact")]),
        ],
        "hooks": [
            For(
                [
                    "validatingwebhookconfigurations.admissionregistration.k8s.io",
                    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
                ],
                [At("webhooks[*].clientConfig.caBundle", "redact"),
                 At("webhooks[name='hook1.oracle.example'].clientConfig.url", "redact")],
            ),
            For(["certificatesigningrequests.certificates.k8s.io"],
                [At("spec.request", "hash", key="first"), At("spec.username", "redact"), At("spec.extra.**", "drop")]),
        ],
        "widgets": [
            For(
                ["widgets.oracle.example"],
                [
                    At("spec.token", "hash", key="first"),
                    At("spec.phone", "fpe", key="second"),
                    At("spec.hosts[*]", "redact"),
                    At("spec.parts[name=proxy].args", "redact"),
                    At("spec.parts[name=proxy].value", "drop"),
                    At("spec.selector", "redact"),
                ],
            )
        ],
        "records": [
            For(
                ["records.oracle.example"],
                [
                    At("more['a.b']", "redact"),
                    At("more['*']", "drop"),
                    At("more['']", "hash", key="first"),
                    At("more['it\\'s']", "redact"),
                    At("more['say \"no\"'].*", "drop"),
                    At("more['back\\\\slash']", "drop"),
                    At("more['a<b>&c'][*]", "drop"),
                    At("more['日本']", "partial", keep=1),
                    At("body.any.*", "redact"),
                    At("body.**['x.y']", "redact"),
                    At("data.**", "drop"),
                ],
            )
        ],
        "records-rows": [For(["records.oracle.example"], [At("rows[*].object.spec", "drop"), At("body.deep.**.deep", "redact")])],
        "vaults": [For(["vaults.oracle.example"], [At("spec.*", "redact")])],
        "vaults-whole": [For(["vaults.oracle.example"], [At("$", "redact")])],
        "widgets-found": [For(["widgets.oracle.example"], [Detect(every + ["(re)[a-z]+[.]example[.]org"])])],
    }


def bundle(random, samples):
    """Masks by name, and rules. `samples` are objects as the API server gives them: (kind, text)."""
    masks = written_masks()
    made_up = _made_up(random, samples)
    masks.update(made_up)
    rules = []

    def require(user, verbs, resources, masks, **more):
        rules.append(Require(user, verbs, resources, masks, **more))

    hand = [name for name in sorted(masks) if name not in made_up]
    quiet = [name for name in hand if name not in ("pods-found", "vaults-whole", "settings-found", "wide", "widgets-found")]
    require("plain-secrets", ["read", "write"], ["@secret-like"], [SECRET_MASK])
    require("plain-secrets", ["read", "write"], ["certificatesigningrequests.certificates.k8s.io"], [SECRET_MASK])
    require("quiet", ["read", "write"], ["*/*"], quiet)
    require("loud", ["read", "write"], ["*"], hand + [SECRET_MASK])
    require("verbs", ["get"], ["*"], ["secret-parts", "settings", "pods", "records", "widgets", "wide"])
    require("verbs", ["list"], ["*"], ["secret-hash", "settings-found", "pods-found", "records-rows", "vaults"])
    require("verbs", ["watch"], ["*"], ["settings-again", "pod-words", "numbers", "vaults-whole", SECRET_MASK])
    require("verbs", ["get"], ["*/status", "*/scale"], ["numbers"])
    require("places", ["read"], ["*"], hand, namespaces=["team-*"])
    require("places", ["read"], ["secrets", "configmaps", "pods"], ["wide"], names=["*-1", "sa-*"])
    require("places", ["read"], ["vaults.oracle.example"], ["vaults"], namespaces=["@cluster", "harbour"])
    # Of each kind one and the other, so that none is always hidden by what is around it.
    for user, start in [("made-up", 0), ("made-up-too", 1)]:
        require(user, ["read", "write"], ["*/*"], [name for name in made_up if int(name[-4:]) % 2 == start])
    require("all-made-up", ["read", "write"], ["*/*"], sorted(made_up))
    require("everything", ["read", "write"], ["*/*"], hand + sorted(made_up) + [SECRET_MASK])
    return masks, rules


USERS = ["nobody", "plain-secrets", "quiet", "loud", "verbs", "places", "made-up", "made-up-too", "all-made-up", "everything"]


def _made_up(random, samples):
    """A few masks for each kind, at paths of its objects."""
    made = {}
    deep_left = [DEEP_MAX]
    for number, (kind, text) in enumerate(samples):
        lines = []
        for _ in range(random.randint(1, 4)):
            path = _path(random, text, jsonspans.documents(text)[0], deep_left)
            if path is not None:
                lines.append(_line(random, path))
        if lines and random.random() < 0.2:
            lines.append(Detect(random.sample(["jwt", "email", "card", "iban", "pem", "(re)[0-9]{7,}"], k=2)))
        if lines:
            made[f"made-up-{number:04}"] = [For([kind], lines)]
    return made


def _path(random, text, document, deep_left):
    """The path of some value, now and then of several. None if it cannot be written."""
    steps, at = [], document
    while at.children and (not steps or random.random() < 0.85):
        child = random.choice(at.children)
        if at.kind == OBJECT:
            step = (ANY_KEY,) if random.random() < 0.1 else (KEY, child.name)
        else:
            step = _element(random, text, child.value)
        steps.append(step)
        at = child.value
    if not steps or at.kind == NULL or steps[0] in ((KEY, b"kind"), (KEY, b"apiVersion"), (ANY_KEY,)):
        return None
    if len(steps) > 2 and (KEY, b"managedFields") in steps:
        # They go as a whole too often.
        return None
    if deep_left[0] and len(steps) > 2 and random.random() < 0.15:
        deep_left[0] -= 1
        cut = random.randint(1, len(steps) - 1)
        steps = steps[: random.randint(0, cut - 1)] + [(ANY_DEPTH,)] + steps[cut:]
    shown = paths.show(tuple(steps))
    if len(steps) > 24 or len(shown.encode()) > 200 or any(not char.isprintable() for char in shown):
        return None
    return shown


def _element(random, text, value):
    if value.kind == OBJECT and random.random() < 0.4:
        for member in value.children:
            if member.name in (b"name", b"type") and member.value.kind == STRING:
                name = jsonspans.unescape(text[member.value.start + 1 : member.value.end - 1])
                if name.isascii():
                    return (ELEMENT, member.name, name)
    return (ANY_ELEMENT,)


def _line(random, path):
    word = random.choice(["drop", "redact", "redact", "hash", "fpe", "partial", "json"])
    if word in ("hash", "fpe"):
        return At(path, word, key=random.choice(["first", "second"]))
    if word == "partial":
        return At(path, word, keep=random.randint(1, 16))
    if word == "json":
        inner = random.choice(["$", "**", "password", "nested.*", "metadata", "data.*", "spec.**"])
        return At(path, random.choice(["json", "base64", "yaml"]), inner=[At(inner, random.choice(["drop", "redact"]))])
    return At(path, word)
