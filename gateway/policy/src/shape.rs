//! What a language is made of, as data: words, values, properties, lines below, how often.
//!
//! A table of [`Shape`]s is read by [`conform`], which reports every departure from it at once, by
//! the formatter, which learns from it what is a word and what is a name, and by the printed
//! reference. Nothing here knows policy: the gateway's own configuration file is another table.
//!
//! ```
//! use gateway_policy::diagnostic::Report;
//! use gateway_policy::shape::{Kind, Shape, conform};
//! use gateway_policy::source::parse_text;
//!
//! static LISTEN: &[Shape] = &[
//!     Shape::line("address", "where to listen").value(Kind::SocketAddress),
//!     Shape::line("idle", "how long").value(Kind::FineDuration).optional(),
//! ];
//! static TOP: &[Shape] = &[Shape::block("listen", "the proxy's socket", LISTEN)];
//!
//! let mut report = Report::new();
//! let text = b"listen {\n    address \"127.0.0.1:8443\"\n    idle \"90s\"\n}\n";
//! let nodes = parse_text("gateway.kdl", text, &mut report);
//! conform("gateway.kdl", &nodes, TOP, &mut report);
//! assert!(report.is_empty());
//! let listen = nodes.first().ok_or("no listen")?;
//! assert_eq!(listen.line("idle").and_then(|line| line.duration(0)).map(|d| d.as_secs()), Some(90));
//! # Ok::<(), &str>(())
//! ```

mod conform;
mod kind;
mod read;
mod suggest;

pub use conform::{conform, conform_node};
pub use kind::{Kind, Mismatch, parse_date_end, parse_duration, parse_instant, parse_size};
pub use suggest::nearest;

pub(crate) use conform::usage_line;
pub(crate) use kind::parse_network;

/// One line or block of a language.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// The word it begins with.
    pub word: &'static str,
    /// What it says, for help texts and the reference.
    pub doc: &'static str,
    /// Values that must stand there, in order.
    pub fixed: [Option<Kind>; 2],
    /// Further values.
    pub rest: Option<Rest>,
    /// Its properties.
    pub properties: &'static [PropertyShape],
    /// Properties of any name, such as labels.
    pub free_properties: Option<Kind>,
    /// Lines below it.
    pub block: Block,
    /// How often it stands in its block.
    pub occurs: Occurs,
    /// How the formatter lays it out.
    pub layout: Layout,
    /// Whether this version implements it.
    pub status: Status,
}

/// Values of one kind at the end of a line.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    /// Kind of each.
    pub kind: Kind,
    /// Fewest.
    pub min: usize,
}

/// `name=value` on a line.
#[derive(Debug, Clone, Copy)]
pub struct PropertyShape {
    /// Name.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// Kind of the value.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// Whether this version implements it.
    pub status: Status,
}

/// Whether lines stand below.
#[derive(Debug, Clone, Copy)]
pub enum Block {
    /// Never.
    None,
    /// A block may stand there.
    Optional(&'static [Shape]),
    /// A block must stand there.
    Required(&'static [Shape]),
}

impl Block {
    /// The lines known below.
    #[must_use]
    pub const fn shapes(self) -> &'static [Shape] {
        match self {
            Self::None => &[],
            Self::Optional(shapes) | Self::Required(shapes) => shapes,
        }
    }
}

/// How often a line stands in its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurs {
    /// Exactly once.
    Once,
    /// At most once.
    Optional,
    /// Any number of times.
    Any,
    /// At least once.
    Some,
}

/// How the formatter lays out a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Each line on its own.
    Tall,
    /// On one line where it fits.
    Flat,
}

/// Whether this version implements a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Implemented,
    /// It is a word of the language and refused by this version, with its own code.
    Planned,
}

impl Shape {
    /// A line without a block that stands exactly once.
    #[must_use]
    pub const fn line(word: &'static str, doc: &'static str) -> Self {
        Self {
            word,
            doc,
            fixed: [None, None],
            rest: None,
            properties: &[],
            free_properties: None,
            block: Block::None,
            occurs: Occurs::Once,
            layout: Layout::Flat,
            status: Status::Implemented,
        }
    }

    /// A line with a block that stands exactly once.
    #[must_use]
    pub const fn block(word: &'static str, doc: &'static str, lines: &'static [Self]) -> Self {
        let mut shape = Self::line(word, doc);
        shape.block = Block::Required(lines);
        shape
    }

    /// A word that this version refuses.
    #[must_use]
    pub const fn planned(word: &'static str, doc: &'static str) -> Self {
        let mut shape = Self::line(word, doc).any();
        shape.status = Status::Planned;
        shape
    }

    /// Adds the next value that must stand there.
    #[must_use]
    pub const fn value(mut self, kind: Kind) -> Self {
        let [first, _] = self.fixed;
        self.fixed = match first {
            None => [Some(kind), None],
            Some(first) => [Some(first), Some(kind)],
        };
        self
    }

    /// Adds values of one kind, at least `min`.
    #[must_use]
    pub const fn values(mut self, kind: Kind, min: usize) -> Self {
        self.rest = Some(Rest { kind, min });
        self
    }

    /// Sets the properties.
    #[must_use]
    pub const fn properties(mut self, properties: &'static [PropertyShape]) -> Self {
        self.properties = properties;
        self
    }

    /// Takes properties of any name.
    #[must_use]
    pub const fn free_properties(mut self, kind: Kind) -> Self {
        self.free_properties = Some(kind);
        self
    }

    /// It stands at most once.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.occurs = Occurs::Optional;
        self
    }

    /// It stands any number of times.
    #[must_use]
    pub const fn any(mut self) -> Self {
        self.occurs = Occurs::Any;
        self
    }

    /// It stands at least once.
    #[must_use]
    pub const fn some(mut self) -> Self {
        self.occurs = Occurs::Some;
        self
    }

    /// Its block may be left out.
    #[must_use]
    pub const fn optional_block(mut self) -> Self {
        self.block = Block::Optional(self.block.shapes());
        self
    }

    /// Each line of its block stands on its own.
    #[must_use]
    pub const fn tall(mut self) -> Self {
        self.layout = Layout::Tall;
        self
    }

    /// The kind of the value at a position.
    #[must_use]
    pub fn kind_at(&self, position: usize) -> Option<Kind> {
        self.fixed
            .iter()
            .flatten()
            .nth(position)
            .copied()
            .or_else(|| self.rest.map(|rest| rest.kind))
    }

    /// Fewest and most values; `None` for no bound.
    #[must_use]
    pub fn value_count(&self) -> (usize, Option<usize>) {
        let fixed = self.fixed.iter().flatten().count();
        match self.rest {
            Some(rest) => (fixed + rest.min, None),
            None => (fixed, Some(fixed)),
        }
    }
}

impl PropertyShape {
    /// A property that must be there.
    #[must_use]
    pub const fn required(name: &'static str, doc: &'static str, kind: Kind) -> Self {
        Self {
            name,
            doc,
            kind,
            required: true,
            status: Status::Implemented,
        }
    }

    /// A property that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, doc: &'static str, kind: Kind) -> Self {
        Self {
            name,
            doc,
            kind,
            required: false,
            status: Status::Implemented,
        }
    }

    /// A property that this version refuses.
    #[must_use]
    pub const fn planned(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            kind: Kind::Anything,
            required: false,
            status: Status::Planned,
        }
    }
}

/// The shape of a word in a table.
#[must_use]
pub fn find(shapes: &'static [Shape], word: &str) -> Option<&'static Shape> {
    shapes.iter().find(|shape| shape.word == word)
}

#[cfg(test)]
mod tests;
