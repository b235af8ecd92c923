"""What objects hold that masks are for: random, and repeatable."""

import base64
import json
import string

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
TEXT = string.ascii_letters + string.digits
NASTY = [
    "",
    "*",
    "a.b",
    "[*]",
    "data",
    "Data",
    "it's",
    'say "no"',
    "back\\slash",
    "a<b>&c",
    "line\nbreak",
    "\u2028tab\t",
    "gr\u00fc\u00dfe",
    "\u65e5\u672c",
    "\U0001f511",
    "name",
    "items",
    "\u0001",
]


class Content:
    """Makes objects. All randomness comes from one generator."""

    def __init__(self, random):
        self.random = random

    # ── pieces ──

    def word(self, low=3, high=9):
        return "".join(self.random.choices(string.ascii_lowercase, k=self.random.randint(low, high)))

    def text(self, length):
        return "".join(self.random.choices(TEXT, k=length))

    def base64(self, text):
        return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()

    def jwt(self):
        return f"eyJ{self.text(17)}.eyJ{self.text(30)}.{self.text(43)}"

    def pem(self):
        kind = self.random.choice(["", "RSA ", "EC ", "ENCRYPTED "])
        lines = "\n".join(self.text(64) for _ in range(3))
        end = f"\n-----END {kind}PRIVATE KEY-----\n" if self.random.random() < 0.8 else ""
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}{end}"

    def card(self):
        digits = [4] + [self.random.randint(0, 9) for _ in range(14)]
        for last in range(10):
            whole = digits + [last]
            total = sum(d if at % 2 == 0 else sum(divmod(2 * d, 10)) for at, d in enumerate(reversed(whole)))
            if total % 10 == 0:
                text = "".join(map(str, whole))
                mark = self.random.choice(["", " ", "-"])
                return mark.join(text[at : at + 4] for at in range(0, 16, 4))
        raise AssertionError("one digit fits")

    def iban(self):
        account = "".join(self.random.choices(string.digits, k=18))
        check = 98 - int(account + "131400") % 97
        text = f"DE{check:02}{account}"
        if self.random.random() < 0.5:
            return " ".join(text[at : at + 4] for at in range(0, 22, 4))
        return text

    def secret(self):
        """Something that a detector finds, or nearly."""
        return self.random.choice(
            [
                self.jwt,
                self.pem,
                self.card,
                self.iban,
                lambda: self.card() + self.random.choice([" 12/29", " 123", ", 7 8", " 4242 4242"]),
                lambda: self.iban() + self.random.choice([" EUR 100", " AND", " 12"]),
                lambda: "AKIA" + self.text(16).upper(),
                lambda: "ghp_" + self.text(36),
                lambda: "github_pat_" + self.text(30),
                lambda: "xoxb-" + self.text(24),
                lambda: f"{self.word()}.{self.word()}@{self.word()}.example.org",
                lambda: "session=" + self.random.randbytes(16).hex(),
                lambda: "AKIA" + self.text(9),
                lambda: "4111111111111112",
                lambda: "eyJ.not.one",
            ]
        )()

    def sentence(self):
        words = [self.word() for _ in range(self.random.randint(1, 5))]
        for _ in range(self.random.randint(0, 2)):
            words.insert(self.random.randint(0, len(words)), self.secret())
        if self.random.random() < 0.3:
            words.append(self.random.choice(NASTY))
        return self.random.choice([" ", ", ", "\n", ": "]).join(words)

    def phone(self):
        return f"+49 {self.random.randint(100, 999)} {self.random.randint(1000, 9999999)}"

    def number(self):
        return self.random.choice(
            [0, -1, 7, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.1, 1e300, 5e-324, 1.0, 1e21, self.random.random()]
        )

    def nasty(self, depth=0):
        """Any JSON."""
        pick = self.random.random()
        if depth > 4 or pick < 0.45:
            return self.random.choice(
                [self.number, self.sentence, lambda: None, lambda: True, lambda: False, lambda: "", lambda: {}, list]
            )()
        if pick < 0.75:
            names = self.random.sample(NASTY, k=self.random.randint(1, 5)) + [self.word()]
            return {name: self.nasty(depth + 1) for name in names}
        elements = [self.nasty(depth + 1) for _ in range(self.random.randint(0, 4))]
        if self.random.random() < 0.5:
            elements += [{"name": name, "value": self.nasty(depth + 1)} for name in ("proxy", "app")]
        return elements

    def deep(self, levels):
        value = self.sentence()
        for level in range(levels):
            value = [value] if level % 3 == 0 else {self.random.choice(["deep", "name", "x.y"]): value}
        return value

    def document(self):
        """A document in a text: mostly JSON."""
        inner = {"user": self.word(), "password": self.text(12), "hosts": [self.word(), self.word()], "port": 5432}
        inner["nested"] = {"token": self.jwt(), "empty": {}, "html": "<b>&</b>"}
        pick = self.random.random()
        if pick < 0.1:
            return "{not json"
        if pick < 0.2:
            return "user: x\npassword: y\n"
        if pick < 0.3:
            return '{"password":"one","pass\\u0077ord":"two","password":3,"n":1e400}'
        if pick < 0.5:
            return json.dumps(inner, indent=self.random.choice([1, 2, "\t"]), ensure_ascii=False)
        return json.dumps(inner)

    # ── metadata ──

    def metadata(self, name, namespace=None, more=None):
        found = {"name": name, "labels": {"oracle": "masking", "team": self.word()}}
        if namespace:
            found["namespace"] = namespace
        annotations = {"corp.example/owner-phone": self.phone(), "note": self.sentence()}
        if self.random.random() < 0.5:
            annotations["corp.example/contact"] = self.sentence()
        if self.random.random() < 0.3:
            annotations["kapp.k14s.io/original"] = self.document()
        annotations.update(more or {})
        found["annotations"] = annotations
        if self.random.random() < 0.2:
            found["finalizers"] = ["corp.example/" + self.word()]
        return found

    def applied(self, manifest):
        """The object with the annotation of `kubectl apply`, or one that is broken."""
        pick = self.random.random()
        if pick < 0.3:
            return manifest
        if pick < 0.35:
            text = self.random.choice(["", "no json", '{"data":', "null", '"text"', "[1,2]"])
        else:
            text = json.dumps(
                manifest,
                separators=(",", ":") if pick < 0.8 else (", ", ": "),
                ensure_ascii=self.random.random() < 0.5,
                indent=None if pick < 0.9 else 1,
            )
            text += "\n" if pick < 0.7 else ""
        manifest["metadata"].setdefault("annotations", {})[LAST_APPLIED] = text
        return manifest

    # ── pods ──

    def env(self):
        return [
            {"name": "PASSWORD", "value": self.text(12)},
            {"name": "TOKEN", "value": self.jwt()},
            {"name": "CONFIG", "value": self.document()},
            {"name": "EMPTY", "value": ""},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": self.word().upper(), "value": self.sentence()},
        ]

    def container(self, name):
        found = {
            "name": name,
            "image": f"registry.example/{self.word()}:{self.random.randint(1, 9)}",
            "args": ["--token=" + self.text(20), self.sentence(), "--mail", f"{self.word()}@corp.example.org"],
            "env": self.env(),
            "ports": [{"name": "web", "containerPort": 8080}],
            "livenessProbe": {
                "httpGet": {"path": "/", "port": 8080, "httpHeaders": [{"name": "Authorization", "value": self.jwt()}]}
            },
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
        }
        if name == "init":
            # A probe of what ends is refused.
            del found["livenessProbe"]
        return found

    def pod_spec(self, restart="Always"):
        return {
            "restartPolicy": restart,
            "serviceAccountName": "default",
            "initContainers": [self.container("init")],
            "containers": [self.container("app"), self.container("proxy")],
            "volumes": [{"name": "v", "secret": {"secretName": "db", "optional": True}}],
            "nodeSelector": {"pool": self.word()},
            "tolerations": [{"key": "k", "operator": "Exists"}],
        }

    def template(self, restart="Always"):
        return {
            "metadata": {"labels": {"app": "x"}, "annotations": {"corp.example/owner-phone": self.phone()}},
            "spec": self.pod_spec(restart),
        }
