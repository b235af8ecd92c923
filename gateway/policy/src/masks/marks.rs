//! Which masks leave a marker in the place of every value: what comes back from them is found in the
//! body of a write alone, without the live object.

use gateway_masking::{FieldPath, GuardRule, GuardStrategy, MaskRule, Step, Strategy};

use super::derived;
use super::shapes::{Reach, Shape};

/// Whether each value that the rules mask has a marker in its place, wherever they are applied to an
/// object of this shape.
pub(super) fn mark_everything(rules: &[MaskRule], shape: Option<&'static Shape>) -> bool {
    rules.iter().all(|rule| marks(rule, shape))
}

/// Whether a marker stands in the place of what detectors find.
pub(super) const fn marks_finds(guard: &GuardRule) -> bool {
    match guard.strategy {
        GuardStrategy::Redact | GuardStrategy::Hash { .. } | GuardStrategy::Partial { .. } => true,
        GuardStrategy::Fpe { .. } => false,
    }
}

fn marks(rule: &MaskRule, shape: Option<&'static Shape>) -> bool {
    match &rule.strategy {
        // A client that sends an object back without managedFields loses nothing (K-5.10).
        Strategy::Drop => derived::is_managed_fields(&rule.path),
        Strategy::Redact | Strategy::Hash { .. } | Strategy::Partial { .. } => {
            is_text(&rule.path, shape)
        }
        // The object stands in the annotation once more.
        Strategy::Json { rules } if derived::is_last_applied(&rule.path) => {
            mark_everything(rules, shape)
        }
        // Digits are no marker, and of a document within nobody knows what it holds.
        Strategy::Fpe { .. }
        | Strategy::Json { .. }
        | Strategy::Base64 { .. }
        | Strategy::Yaml { .. } => false,
    }
}

fn is_text(path: &FieldPath, shape: Option<&'static Shape>) -> bool {
    // Annotations and labels are texts, whatever the kind.
    if let [
        Step::Key(first),
        Step::Key(second),
        Step::Key(_) | Step::AnyKey,
    ] = path.steps()
        && &**first == "metadata"
        && matches!(&**second, "annotations" | "labels")
    {
        return true;
    }
    let reached = shape.map(|shape| shape.reach(path));
    match reached {
        // Where no field can be, no value is.
        Some(Reach::At(Shape::Text | Shape::Bytes) | Reach::Nowhere(_)) => true,
        Some(
            Reach::At(
                Shape::Number
                | Shape::Flag
                | Shape::Map(_)
                | Shape::List(_)
                | Shape::Object(_)
                | Shape::Anything,
            )
            | Reach::Open,
        )
        | None => false,
    }
}
