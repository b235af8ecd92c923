//! Three-valued truth: what cannot be known is kept apart from what is false.

use std::ops::Not;

/// True, false or unknown, with Kleene's `and`, `or` and `not`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tri {
    /// It does not hold.
    False,
    /// It cannot be known: an attribute is missing, an address was not given.
    Unknown,
    /// It holds.
    True,
}

impl Tri {
    /// True if both hold, false if one does not.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// True if one holds, false if neither does.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    /// True if one of them holds; unknown if none does and one is unknown.
    #[must_use]
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::False;
        for part in parts {
            found = found.or(part);
            if found == Self::True {
                break;
            }
        }
        found
    }

    /// True if all of them hold; unknown if none is false and one is unknown.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::True;
        for part in parts {
            found = found.and(part);
            if found == Self::False {
                break;
            }
        }
        found
    }

    /// `✓`, `✗` or `?`.
    #[must_use]
    pub const fn mark(self) -> char {
        match self {
            Self::True => '✓',
            Self::False => '✗',
            Self::Unknown => '?',
        }
    }
}

impl Not for Tri {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::Unknown => Self::Unknown,
            Self::False => Self::True,
        }
    }
}

impl From<bool> for Tri {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}
