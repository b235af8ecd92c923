//! What an allow demands, in two forms: bits for the verdict, words for everybody else.

use std::collections::BTreeSet;

use crate::compile::PolicySet;
use crate::masks::MaskSet;
use crate::model::{Obligation, RecordLevel};

/// Most distinct ticket expressions in one bundle: one bit each in a verdict. More reject the
/// bundle; an organisation has a handful of ticket systems.
pub const TICKETS_MAX: usize = 64;

/// A set of ticket expressions of one `PolicySet`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct TicketSet(pub(crate) u64);

/// What an allow demands, small enough to be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Obligations {
    /// Record at this level.
    pub record: Option<RecordLevel>,
    /// The request carries a reason of at least this many characters.
    pub reason_min: Option<u32>,
    /// Tickets the reason must name.
    pub tickets: TicketSet,
    /// Watches, logs and sessions end after this many seconds.
    pub session_limit_seconds: Option<u64>,
    /// Answers are masked by all of these.
    pub masks: MaskSet,
}

impl Obligations {
    /// Nothing.
    pub const NONE: Self = Self {
        record: None,
        reason_min: None,
        tickets: TicketSet(0),
        session_limit_seconds: None,
        masks: MaskSet::NONE,
    };

    /// Both: the higher level, the longer reason, all tickets, the shorter session, all masks.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            record: self.record.max(other.record),
            reason_min: self.reason_min.max(other.reason_min),
            tickets: TicketSet(self.tickets.0 | other.tickets.0),
            session_limit_seconds: shorter(self.session_limit_seconds, other.session_limit_seconds),
            masks: self.masks.union(other.masks),
        }
    }

    /// True if nothing is demanded.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

/// What an allow demands, in words.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Demands {
    /// Record at this level.
    pub record: Option<RecordLevel>,
    /// The request carries a reason.
    pub reason: Option<ReasonDemand>,
    /// Watches, logs and sessions end after this many seconds.
    pub session_limit_seconds: Option<u64>,
    /// Names of masks that answers are masked by.
    pub masks: BTreeSet<String>,
}

/// What a reason must have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReasonDemand {
    /// Fewest characters; at least 1.
    pub min: u32,
    /// Expressions, each of which a word of the reason must match.
    pub tickets: BTreeSet<String>,
}

impl Demands {
    /// Adds what one obligation demands.
    pub fn add(&mut self, obligation: &Obligation) {
        match obligation {
            Obligation::Record(level) => self.record = self.record.max(Some(*level)),
            Obligation::Reason { min, ticket } => {
                let reason = self.reason.get_or_insert_default();
                // An empty reason is none.
                reason.min = reason.min.max(*min).max(1);
                reason.tickets.extend(ticket.clone());
            }
            Obligation::SessionLimit(seconds) => {
                self.session_limit_seconds = shorter(self.session_limit_seconds, Some(*seconds));
            }
            Obligation::Mask(names) => self.masks.extend(names.iter().cloned()),
        }
    }

    /// Adds what others demand.
    pub fn merge(&mut self, other: &Self) {
        self.record = self.record.max(other.record);
        self.session_limit_seconds =
            shorter(self.session_limit_seconds, other.session_limit_seconds);
        self.masks.extend(other.masks.iter().cloned());
        if let Some(theirs) = &other.reason {
            let reason = self.reason.get_or_insert_default();
            reason.min = reason.min.max(theirs.min);
            reason.tickets.extend(theirs.tickets.iter().cloned());
        }
    }

    /// True if nothing is demanded.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a reason lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReasonFault {
    /// There is none.
    #[error("say why: send a reason of at least {min} characters in `Countersign-Reason`")]
    Missing {
        /// Fewest characters.
        min: u32,
    },
    /// It is too short.
    #[error("the reason has {found} characters; say why in at least {min}")]
    TooShort {
        /// Its length.
        found: usize,
        /// Fewest characters.
        min: u32,
    },
    /// It names no such ticket.
    #[error("the reason names no ticket that matches `{ticket}`; add one as a word of its own")]
    NoTicket {
        /// The expression.
        ticket: String,
    },
}

impl PolicySet {
    /// The obligations of a verdict of this set, in words.
    #[must_use]
    pub fn demands(&self, obligations: &Obligations) -> Demands {
        let tickets = self
            .tickets_in(obligations.tickets)
            .map(|ticket| ticket.as_str().to_owned());
        Demands {
            record: obligations.record,
            reason: obligations.reason_min.map(|min| ReasonDemand {
                min,
                tickets: tickets.collect(),
            }),
            session_limit_seconds: obligations.session_limit_seconds,
            masks: self
                .mask_names(obligations.masks)
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Checks a reason against the obligations of a verdict of this set. Characters are counted
    /// after trimming. A ticket is found if a word of the reason, with or without punctuation
    /// around it, matches its expression as a whole.
    ///
    /// # Errors
    ///
    /// If a reason is demanded and this one is missing, too short or names no fitting ticket.
    pub fn check_reason(
        &self,
        obligations: &Obligations,
        reason: Option<&str>,
    ) -> Result<(), ReasonFault> {
        let Some(min) = obligations.reason_min else {
            return Ok(());
        };
        let reason = reason.unwrap_or_default().trim();
        if reason.is_empty() {
            return Err(ReasonFault::Missing { min });
        }
        let found = reason.chars().count();
        if u32::try_from(found).is_ok_and(|found| found < min) {
            return Err(ReasonFault::TooShort { found, min });
        }
        for ticket in self.tickets_in(obligations.tickets) {
            if !reason
                .split_whitespace()
                .any(|word| ticket.is_named_by(word))
            {
                return Err(ReasonFault::NoTicket {
                    ticket: ticket.as_str().to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn shorter(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
