//! What masks do to the answers about a resource: from the blocks of a bundle to mask programs.
//!
//! A mask is written for a resource and works wherever that object stands (K-4): in the answer of a
//! subresource, in its last-applied annotation, in the pod templates of workloads. What follows from
//! the written lines is added here, once, so that the exchange has one question to ask:
//! [`PolicySet::masking`].
//!
//! Programs are compiled when they are first needed and kept: which masks meet on which resource is
//! known only when somebody asks. What is kept is a pure function of the set and is bounded.

mod builtin;
mod derived;
mod keys;
mod marks;
mod paths;
mod plan;
mod printed;
mod set;
mod shapes;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway_kubeapi::{ResourceId, pointer_segments};
use gateway_masking::{FieldPath, MaskProgram, Mount, Step};

use crate::compile::PolicySet;
use crate::model::WriteBack;

pub use keys::{KEY_BYTES_MIN, KeyContentFault, MaskKeys};
pub use plan::StreamMasking;
pub use set::{MASKS_MAX, MaskSet};

pub(crate) use plan::MaskPlan;
pub(crate) use shapes::{Reach, Shape, shape_of};
pub(crate) use table::{MaskTable, is_stream, parent_of};

/// BOUND: documents within documents a bundle may open; one more is for the last-applied annotation,
/// in which the whole object stands once more.
pub const EMBEDDED_DEPTH_MAX: usize = gateway_masking::EMBEDDED_DEPTH_MAX - 1;

/// BOUND: lines `at` and `detect` of a bundle; more reject it. Each is compiled with the bundle.
pub const MASK_LINES_MAX: usize = 1_000;
/// BOUND: paths with `**` of a bundle; more reject it. They are what makes programs large.
pub const DEEP_PATHS_MAX: usize = 64;
/// BOUND: expressions of a bundle's own in `detect`; more reject it.
pub const EXPRESSIONS_MAX: usize = 64;

/// What the masks of one verdict do to the answers about one resource.
#[derive(Debug, Clone)]
pub struct Masking {
    plan: Arc<MaskPlan>,
    resource: ResourceId,
}

impl Masking {
    /// The program for JSON answers in which the object stands at these mounts. [`Mount::Root`] is
    /// for one object, [`Mount::Items`] for lists, and so on; a body that may be one of several is
    /// masked at all of them.
    ///
    /// # Errors
    ///
    /// If the masks that meet here are more than a program may hold. Then the answer cannot be
    /// masked and must not be given.
    pub fn program(
        &self,
        mounts: &[Mount],
    ) -> Result<Arc<MaskProgram>, gateway_masking::CompileFault> {
        self.plan.program(mounts)
    }

    /// What is to be done to a stream of text or bytes: logs, exec, attach.
    #[must_use]
    pub fn stream(&self) -> StreamMasking {
        self.plan.stream()
    }

    /// The masks that take part, with what each says of writes that carry its markers.
    pub fn masks(&self) -> impl Iterator<Item = (&str, WriteBack)> {
        self.plan.masks()
    }

    /// What happens to a write that carries a marker: the strictest of all masks that take part.
    #[must_use]
    pub fn write_back(&self) -> WriteBack {
        self.plan.write_back()
    }

    /// Whether a marker stands in the place of every masked value, so that none comes back in a write
    /// without one. False where a mask leaves digits, a zero, an empty list or nothing at all, and
    /// where nobody knows what stands at its paths.
    #[must_use]
    pub fn marks_everything(&self) -> bool {
        self.plan.marks_everything()
    }

    /// The kind whose answers are masked.
    #[must_use]
    pub const fn resource(&self) -> &ResourceId {
        &self.resource
    }

    /// Where values are masked, derived places included. Detectors count where they are bound to a
    /// path: what they find anywhere, they find where it is moved to, too.
    #[must_use]
    pub fn paths(&self) -> &[FieldPath] {
        self.plan.paths()
    }

    /// Whether a JSON pointer (RFC 6901) names a masked value, something within one or something
    /// that holds one: then a JSON patch may neither test it nor copy or move it (K-4.23). What is no
    /// pointer, may.
    #[must_use]
    pub fn touches_pointer(&self, pointer: &str) -> bool {
        of_pointer(pointer, |segments| self.touches(segments))
    }

    /// Whether a JSON pointer names a member by whose value a mask chooses elements, as `name` in
    /// `[name=x]`: a JSON patch that changes it would lift the mask. What is no pointer, may.
    #[must_use]
    pub fn chooses_by_pointer(&self, pointer: &str) -> bool {
        let mut paths = self.paths().iter();
        of_pointer(pointer, |segments| {
            paths.any(|path| paths::chooses_by(path, segments))
        })
    }

    /// Whether a field selector such as `spec.nodeName` selects by a masked value (K-4.22). What is
    /// no plain path, may.
    #[must_use]
    pub fn touches_field(&self, field: &str) -> bool {
        if field.contains(['[', '\'', '"', '\\']) {
            return true;
        }
        let segments: Vec<&str> = field.split('.').collect();
        self.touches(&segments)
    }

    /// Whether a label selector with this key selects by a masked value (K-4.22).
    #[must_use]
    pub fn touches_label(&self, key: &str) -> bool {
        self.touches(&["metadata", "labels", key])
    }

    fn touches(&self, segments: &[&str]) -> bool {
        self.paths()
            .iter()
            .any(|path| paths::touches(path, segments))
    }

    /// Whether the cells that the API server prints for this kind in a Table are known never to show
    /// a masked value (K-4.9). False for every kind whose columns are not known here.
    #[must_use]
    pub fn cells_are_safe(&self) -> bool {
        if self.plan.watches_everything() {
            return false;
        }
        let shown = printed::paths_of(&self.resource);
        shown.is_some_and(|shown| {
            let meets = |path: &FieldPath| {
                shown
                    .iter()
                    .any(|own| paths::may_meet(own.steps(), path.steps()))
            };
            !self.paths().iter().any(meets)
        })
    }

    /// The word of the strategy that is applied to all values at a path: the strongest of those
    /// whose path covers it. `None` if some value there is not masked.
    #[must_use]
    pub fn strategy_at(&self, path: &FieldPath) -> Option<&'static str> {
        self.plan.strategy_at(path)
    }

    /// The paths of rules that a [`gateway_masking::Summary`] names, each once, comma-separated.
    #[must_use]
    pub fn places(&self, rules: &[usize]) -> String {
        self.plan.places(rules)
    }

    /// The members by which paths choose elements: `name` of `[name=x]`.
    #[must_use]
    pub fn choosers(&self) -> BTreeSet<&str> {
        let steps = self.paths().iter().flat_map(FieldPath::steps);
        let keys = steps.filter_map(|step| match step {
            Step::Element { key, .. } => Some(&**key),
            Step::Key(_) | Step::AnyKey | Step::AnyElement | Step::AnyDepth => None,
        });
        keys.collect()
    }

    /// Whether a detector looks everywhere in an object.
    #[must_use]
    pub fn looks_everywhere(&self) -> bool {
        self.plan.watches_everything()
    }

    /// Whether a detector that looks everywhere in an object finds something in this text: to ask for
    /// it is to ask about a masked value. A program that cannot be made finds it in every text.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        self.looks_everywhere()
            && self
                .program(&[Mount::Root])
                .map_or(true, |program| program.finds(text.as_bytes()))
    }

    /// Whether this leaves the same of every object as the other does. Masks of other names differ:
    /// names stand in markers.
    #[must_use]
    pub fn masks_as(&self, other: &Self) -> bool {
        self.resource == other.resource && self.plan.masks_as(&other.plan)
    }

    /// The masked places in words: path, strategy, mask. Derived places are left out.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.plan.describe()
    }
}

/// Whether it holds of a JSON pointer. Of what is no pointer, it does.
fn of_pointer(pointer: &str, holds: impl FnOnce(&[&str]) -> bool) -> bool {
    pointer_segments(pointer).is_none_or(|segments| {
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        holds(&segments)
    })
}

impl PolicySet {
    /// What the masks of a verdict of this set do to the answers about a resource. `None`: no mask
    /// concerns it for this caller, and answers of any encoding pass untouched.
    #[must_use]
    pub fn masking(&self, masks: MaskSet, resource: &ResourceId) -> Option<Masking> {
        self.mask_table().masking(masks, resource)
    }

    /// The names of masks of a verdict of this set.
    pub fn mask_names(&self, masks: MaskSet) -> impl Iterator<Item = &str> {
        self.mask_table().names_in(masks)
    }
}

#[cfg(test)]
mod tests;
