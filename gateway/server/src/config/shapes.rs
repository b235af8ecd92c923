//! The configuration file as data; `docs/configuration.md` shows it.

use gateway_policy::shape::{Kind, PropertyShape, Shape};

pub(super) static TOP: &[Shape] = &[
    Shape::block("listen", "a TLS listener for agents", LISTEN)
        .value(Kind::Name)
        .some(),
    Shape::line("admin", "health, metrics and policy status; plain HTTP")
        .value(Kind::SocketAddress)
        .optional(),
    Shape::block(
        "cluster",
        "an API server, by its name in the bundle",
        CLUSTER,
    )
    .value(Kind::Name)
    .some(),
    Shape::block("policy", "where the bundle comes from", POLICY),
    Shape::block("issuer", "network facts of an issuer of the bundle", ISSUER)
        .value(Kind::Name)
        .any(),
    Shape::block(
        "client-certificates",
        "who client certificates stand for",
        CERTIFICATES,
    )
    .value(Kind::Name)
    .optional(),
    Shape::block("legacy", "a shared static token", LEGACY)
        .value(Kind::Name)
        .any(),
    Shape::block("audit", "where audit events go", AUDIT),
    Shape::block("limits", "bounds", LIMITS).optional(),
    Shape::block("drain", "how the gateway stops", DRAIN).optional(),
    Shape::block("log", "the gateway's own log", LOG).optional(),
];

static LISTEN: &[Shape] = &[
    Shape::line("address", "address and port; port 0 lets the system choose")
        .value(Kind::SocketAddress),
    Shape::line("certificate", "PEM chain, leaf first")
        .value(Kind::Text)
        .properties(&[PropertyShape::required(
            "key",
            "PEM private key",
            Kind::Text,
        )]),
    Shape::line("client-ca", "authorities of client certificates")
        .value(Kind::Text)
        .optional(),
    Shape::line("cluster", "the cluster this listener speaks for")
        .value(Kind::Name)
        .optional(),
];

static CLUSTER: &[Shape] = &[
    Shape::line(
        "kubeconfig",
        "a kubeconfig with the gateway's own credential",
    )
    .value(Kind::Text)
    .properties(&[PropertyShape::optional(
        "context",
        "context of the file",
        Kind::Text,
    )])
    .optional(),
    Shape::line("in-cluster", "use the pod's ServiceAccount").optional(),
    Shape::line("hosts", "host names that mean this cluster")
        .values(Kind::Text, 1)
        .optional(),
];

static POLICY: &[Shape] = &[
    Shape::line("directory", "directory of the bundle").value(Kind::Text),
    Shape::line("every", "how often it is looked at")
        .value(Kind::FineDuration)
        .optional(),
];

static ISSUER: &[Shape] = &[
    Shape::line("ca", "authorities for discovery and keys")
        .value(Kind::Text)
        .optional(),
    Shape::line("discovery", "URL of the discovery document")
        .value(Kind::Text)
        .optional(),
    Shape::line("jwks", "a file with the keys, instead of the network")
        .value(Kind::Text)
        .optional(),
    Shape::line(
        "token-review",
        "the cluster that verifies ServiceAccount tokens",
    )
    .value(Kind::Name)
    .optional(),
];

static CERTIFICATES: &[Shape] = &[
    Shape::line("kind", "what stands behind them")
        .value(Kind::Word(&["human", "service", "agent"])),
    Shape::line("username-prefix", "put before the common name").value(Kind::Text),
    Shape::line("groups-prefix", "put before each organization")
        .value(Kind::Text)
        .optional(),
];

static LEGACY: &[Shape] = &[
    Shape::line("hash", "`sha256:` and the hex digest of the token").value(Kind::Text),
    Shape::line("user", "user name").value(Kind::Text),
    Shape::line("groups", "groups")
        .values(Kind::Text, 1)
        .optional(),
    Shape::line("expires", "when it stops working").value(Kind::Instant),
];

static AUDIT: &[Shape] = &[
    Shape::line("file", "file of JSON lines, `-` for standard output").value(Kind::Text),
    Shape::line(
        "on-failure",
        "what is refused while events cannot be stored",
    )
    .value(Kind::Word(&["deny-writes", "deny-all"]))
    .optional(),
    Shape::line("rotate", "put the file aside at this size")
        .value(Kind::Size)
        .properties(&[PropertyShape::required(
            "keep",
            "files kept beside the current one",
            Kind::Integer { min: 1, max: 1000 },
        )])
        .optional(),
];

static LIMITS: &[Shape] = &[
    Shape::line("connections", "open connections of all listeners")
        .value(Kind::Integer {
            min: 1,
            max: 1_000_000,
        })
        .optional(),
];

static DRAIN: &[Shape] = &[
    Shape::line(
        "ready-delay",
        "time between unready and closing the listeners",
    )
    .value(Kind::FineDuration)
    .optional(),
    Shape::line("deadline", "when what is left is ended")
        .value(Kind::FineDuration)
        .optional(),
];

static LOG: &[Shape] = &[
    Shape::line("level", "a level or a tracing filter")
        .value(Kind::Text)
        .optional(),
    Shape::line("format", "json or text")
        .value(Kind::Word(&["json", "text"]))
        .optional(),
];
