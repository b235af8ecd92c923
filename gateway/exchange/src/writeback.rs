//! Masked values that come back in a write (K-5.8, ADR 0011): found, and refused or put back.
//!
//! A marker says of itself what it is. Of digits that a mask made, of a zero in the place of a number
//! and of what it left out nobody can say that without the live object; so where a mask leaves such,
//! the live object is read before a write that may carry them.

mod blank;
mod check;
mod embedded;
mod guess;
mod list;
mod patch;
mod restore;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use gateway_kubeapi::{JsonValue, PatchForm, Verb, builtin_scope};
use gateway_masking::{Kernel, MarkerScan, MaskProgram, Masker, Mount};
use gateway_policy::masks::Masking;
use gateway_policy::model::WriteBack;

use crate::mask_refusal::MaskRefusal;
use guess::Lost;
use restore::{Doubt, Mode, Pair, Restoring};

pub(crate) use guess::Wager;

/// BOUND: the API server's own limit of a request body (K-5.1); a restored one may not be larger.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;
/// BOUND: etcd holds objects of about 1.5 MiB; as JSON, with the base64 of its bytes, such a one is
/// smaller than this. A larger one is not read, and the write is refused.
pub(crate) const LIVE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// BOUND: places that a refusal names; a caller needs the first few.
const NAMED_COUNT_MAX: usize = 5;

/// What a write says, as far as masked values in it go.
#[derive(Debug, Clone)]
pub(crate) struct Written<'a> {
    pub(crate) verb: Verb,
    pub(crate) patch: Option<PatchForm>,
    /// It is not carried out.
    pub(crate) is_dry: bool,
    pub(crate) wager: Wager,
    pub(crate) body: &'a [u8],
}

/// A write that cannot be told good without the live object.
#[derive(Debug)]
pub(crate) struct Restoration {
    masking: Masking,
    patch: Option<PatchForm>,
    wager: Wager,
    is_marked: bool,
}

/// A write that was met with the live object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The body to send; `None` if nothing was put back, and it goes on as it came.
    pub(crate) body: Option<Bytes>,
    /// How many values were put back.
    pub(crate) count: u64,
}

/// Why a write cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsettled {
    /// It says what it may not say.
    Refused(MaskRefusal),
    /// The live object is not what an API server answers.
    Unreadable(String),
}

impl From<MaskRefusal> for Unsettled {
    fn from(refusal: MaskRefusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Doubt> for Unsettled {
    fn from(doubt: Doubt) -> Self {
        Self::Refused(MaskRefusal::Doubt {
            place: doubt.place,
            why: doubt.why,
        })
    }
}

/// Whether the live object must be read first. `None`: the write may go on as it is.
///
/// # Errors
/// Where a masked value comes back that is not to be put back, or cannot be.
pub(crate) fn plan(
    masking: &Masking,
    written: &Written<'_>,
) -> Result<Option<Restoration>, MaskRefusal> {
    if written.patch == Some(PatchForm::Strategic)
        && let Some(place) = guess::deletes_masked(masking, written.body)
    {
        let masks = masking.masks().map(|(name, _)| name);
        return Err(MaskRefusal::Question {
            masks: named(masks, masking.masks().count()),
            what: "the patch directive",
            place,
        });
    }
    let scan = MarkerScan::of(written.body);
    let is_marked = !scan.is_clean();
    let changes = matches!(written.verb, Verb::Update | Verb::Patch);
    let is_json = matches!(written.body.trim_ascii_start().first(), Some(b'{' | b'['));
    if is_marked {
        // Nothing is stored before a create; what a dry run makes of it is stored nowhere.
        let restores = masking.write_back() == WriteBack::Restore && !written.is_dry;
        if !(changes && restores) {
            return Err(returned(&scan));
        }
    } else {
        if !changes {
            return Ok(None);
        }
        let sets = sets_masked(masking, written);
        if written.is_dry {
            // K-4.24: it would tell, again and again, whether a value is the stored one.
            return if sets {
                Err(MaskRefusal::DryRun)
            } else {
                Ok(None)
            };
        }
        let may_lose = !masking.marks_everything() && (sets || written.patch.is_none());
        let tells = sets && written.wager.tells();
        if !(may_lose || tells) {
            return Ok(None);
        }
    }
    if !is_json {
        return Err(MaskRefusal::Encoding);
    }
    Ok(Some(Restoration {
        masking: masking.clone(),
        patch: written.patch,
        wager: written.wager.clone(),
        is_marked,
    }))
}

/// Whether the write sets something at a masked place. Where nobody can say, it does.
fn sets_masked(masking: &Masking, written: &Written<'_>) -> bool {
    match written.patch {
        Some(PatchForm::Json) => {
            let operations = JsonValue::parse(written.body);
            let operations = operations.as_ref().ok().and_then(JsonValue::items);
            operations
                .unwrap_or_default()
                .iter()
                .any(|operation| sets_at(masking, operation))
        }
        None | Some(PatchForm::Merge | PatchForm::Strategic | PatchForm::Apply) => {
            shown(masking, written.body).is_none_or(|shown| shown.masked_count > 0)
        }
    }
}

/// Whether one operation of a JSON patch does. What `copy` and `move` bring there may be a guess that
/// was put elsewhere before.
fn sets_at(masking: &Masking, operation: &JsonValue) -> bool {
    let text = |key| operation.get(key).and_then(JsonValue::as_str);
    let is_found = || {
        let value = operation.get("value");
        value.is_some_and(|value| finds(masking, value))
    };
    text("op") != Some("remove")
        && (text("path").is_none_or(|path| masking.touches_pointer(path)) || is_found())
}

/// Whether a detector that looks everywhere finds something in one of the texts of a value.
pub(crate) fn finds(masking: &Masking, value: &JsonValue) -> bool {
    match value {
        JsonValue::String(text) => masking.finds(text),
        JsonValue::Array(items) => items.iter().any(|item| finds(masking, item)),
        JsonValue::Object(members) => members.iter().any(|(_, value)| finds(masking, value)),
        JsonValue::Null | JsonValue::Bool(_) | JsonValue::Number(_) => false,
    }
}

/// Names the fields that hold a marker.
fn returned(scan: &MarkerScan) -> MaskRefusal {
    let fields = scan.fields().iter().map(|place| &**place);
    MaskRefusal::WriteBack {
        places: named(fields, scan.count()),
    }
}

fn named<'a>(places: impl Iterator<Item = &'a str>, count: usize) -> String {
    let mut named: Vec<String> = places
        .take(NAMED_COUNT_MAX)
        .map(|place| format!("`{place}`"))
        .collect();
    if count > named.len() {
        named.push(format!("{} more", count - named.len()));
    }
    named.join(", ")
}

/// An object as its masks show it.
struct Shown {
    text: Vec<u8>,
    masked_count: u64,
}

fn shown(masking: &Masking, object: &[u8]) -> Option<Shown> {
    let program = masking.program(&[Mount::Root]).ok()?;
    shown_by(&program, object)
}

fn shown_by(program: &Arc<MaskProgram>, object: &[u8]) -> Option<Shown> {
    let mut masker = Masker::new(Arc::clone(program), Kernel::best());
    let mut out = Vec::new();
    masker
        .push(&Bytes::copy_from_slice(object), &mut out)
        .ok()?;
    let summary = masker.finish().ok()?;
    Some(Shown {
        text: out.concat(),
        masked_count: summary.masked_count,
    })
}

/// The live object, and as it is shown.
struct Stored {
    live: JsonValue,
    masked: JsonValue,
    version: String,
}

impl Restoration {
    /// A masked value came back for sure.
    pub(crate) const fn is_marked(&self) -> bool {
        self.is_marked
    }

    /// The refusal where there is no live object.
    pub(crate) fn without_live(body: &[u8]) -> MaskRefusal {
        returned(&MarkerScan::of(body))
    }

    fn mode(&self) -> Mode {
        match self.patch {
            None => Mode::Whole,
            Some(PatchForm::Merge | PatchForm::Json) => Mode::Merge,
            Some(PatchForm::Strategic | PatchForm::Apply) => {
                let resource = self.masking.resource();
                let scope = builtin_scope(&resource.group, &resource.resource);
                Mode::Keyed {
                    is_builtin: scope.is_some(),
                }
            }
        }
    }

    /// Meets the write with the live object.
    ///
    /// # Errors
    /// Where a masked value stands at another place than its own, or may not be put back.
    pub(crate) fn settle(&self, live: &[u8], body: &[u8]) -> Result<Settled, Unsettled> {
        let stored = self.stored(live)?;
        let pair = Pair {
            live: &stored.live,
            masked: &stored.masked,
        };
        // It was read as JSON when it was judged.
        let sent = JsonValue::parse(body)
            .map_err(|fault| Unsettled::Unreadable(format!("the judged body: {fault}")))?;
        // Before anything is said that depends on what is stored.
        if self.masking.write_back() == WriteBack::Refuse {
            let places = blank::places(&self.masking, self.patch, &sent);
            if !places.is_empty() {
                let shown = places.iter().map(String::as_str);
                let places = named(shown, places.len());
                return Err(MaskRefusal::Unmarked { places }.into());
            }
        }
        let mut restoring = Restoring::default();
        let (mut made, proven) = match self.patch {
            Some(PatchForm::Json) => self.patched(&sent, pair, &mut restoring)?,
            None | Some(PatchForm::Merge | PatchForm::Strategic | PatchForm::Apply) => {
                let version = restore::descend(&sent, &["metadata", "resourceVersion"]);
                let version = version.and_then(JsonValue::as_str).unwrap_or_default();
                if !version.is_empty() && version != stored.version {
                    return Err(MaskRefusal::Raced.into());
                }
                let mut made = sent.clone();
                restoring.value(&mut made, pair, self.mode())?;
                restoring.last_applied(&mut made, pair)?;
                let proven = restoring.count() == 0 || self.reads_as_sent(&sent, &made);
                (made, proven)
            }
        };
        let count = restoring.count();
        self.wagered(&sent, &made, live)?;
        if count == 0 {
            return if self.is_marked {
                Err(Self::without_live(body).into())
            } else {
                Ok(Settled { body: None, count })
            };
        }
        let places = restoring.places().iter().map(String::as_str);
        let named = named(places, usize::try_from(count).unwrap_or(usize::MAX));
        if self.masking.write_back() == WriteBack::Refuse {
            return Err(MaskRefusal::Unmarked { places: named }.into());
        }
        let scan = MarkerScan::of(made.to_json().as_bytes());
        if !scan.is_clean() {
            return Err(returned(&scan).into());
        }
        if !proven {
            return Err(MaskRefusal::Unmasking { places: named }.into());
        }
        require(&mut made, &stored.version, self.patch);
        let body = Bytes::from(made.to_json());
        if body.len() > BODY_BYTES_MAX {
            return Err(MaskRefusal::TooLarge.into());
        }
        Ok(Settled {
            body: Some(body),
            count,
        })
    }

    /// Refuses a write whose outcome would tell whether a masked value of its own is the stored one.
    fn wagered(&self, sent: &JsonValue, made: &JsonValue, live: &[u8]) -> Result<(), Unsettled> {
        if !self.wager.tells() {
            return Ok(());
        }
        let unreadable = || Unsettled::Unreadable("the body cannot be masked".to_owned());
        let again = match self.patch {
            // Its operations are no object; they are looked at one by one.
            Some(PatchForm::Json) => {
                // A guess may be put elsewhere first.
                let operations = sent.items().unwrap_or_default();
                if operations.iter().any(|own| sets_at(&self.masking, own))
                    && operations.iter().any(|own| self.wager.is_fixed(own))
                {
                    return Err(MaskRefusal::Immutable.into());
                }
                JsonValue::Null
            }
            None | Some(PatchForm::Merge | PatchForm::Strategic | PatchForm::Apply) => {
                let shown = shown(&self.masking, made.to_json().as_bytes());
                let shown = shown.and_then(|shown| JsonValue::parse(&shown.text).ok());
                shown.ok_or_else(unreadable)?
            }
        };
        if *sent == again {
            return Ok(());
        }
        let live = JsonValue::parse(live).map_err(|_fault| unreadable())?;
        match self.wager.lost(sent, &again, &live) {
            None => Ok(()),
            Some(Lost::Immutable) => Err(MaskRefusal::Immutable.into()),
            Some(Lost::Owned) => Err(MaskRefusal::Owned.into()),
        }
    }

    fn stored(&self, live: &[u8]) -> Result<Stored, Unsettled> {
        let unreadable = |why: String| Unsettled::Unreadable(format!("the live object: {why}"));
        let masked = shown(&self.masking, live);
        let masked = masked.ok_or_else(|| unreadable("it cannot be masked".to_owned()))?;
        let read =
            |text: &[u8]| JsonValue::parse(text).map_err(|fault| unreadable(fault.to_string()));
        let (mut live, mut masked) = (read(live)?, read(&masked.text)?);
        let version = restore::descend(&live, &["metadata", "resourceVersion"]);
        let version = version.and_then(JsonValue::as_str).unwrap_or_default();
        if version.is_empty() {
            return Err(unreadable("it has no resourceVersion".to_owned()));
        }
        let version = version.to_owned();
        // The API server keeps its own where a write has none (K-5.10).
        without_managed_fields(&mut live);
        without_managed_fields(&mut masked);
        Ok(Stored {
            live,
            masked,
            version,
        })
    }

    fn patched(
        &self,
        sent: &JsonValue,
        pair: Pair<'_>,
        restoring: &mut Restoring,
    ) -> Result<(JsonValue, bool), Unsettled> {
        let mut operations = sent.items().unwrap_or_default().to_vec();
        if patch::passes_hidden_elements(&operations, pair) {
            return Err(MaskRefusal::HiddenElements.into());
        }
        let followed = patch::follow(&mut operations, pair, restoring)?;
        let Some(patch::Followed { meant, made }) = followed else {
            // Nothing of it counts.
            *restoring = Restoring::default();
            return Ok((sent.clone(), true));
        };
        let proven = restoring.count() == 0 || self.reads_as_sent(&meant, &made);
        Ok((JsonValue::Array(operations), proven))
    }

    /// What was put back stays hidden from its author, whatever the order of members in which the API
    /// server writes it: a `[key=value]` hides least where its member comes first.
    fn reads_as_sent(&self, before: &JsonValue, after: &JsonValue) -> bool {
        let choosers = self.masking.choosers();
        let reads = |last: &str| {
            let [before, after] =
                [before, after].map(|value| check::with_first(value, &choosers, last));
            let shown = shown(&self.masking, after.to_json().as_bytes());
            let again = shown.and_then(|shown| JsonValue::parse(&shown.text).ok());
            again.is_some_and(|again| check::reads_as_sent(&before, &after, &again))
        };
        // What is masked may itself be a member that others are chosen by.
        reads("") && choosers.iter().all(|last| reads(last))
    }
}

fn without_managed_fields(object: &mut JsonValue) {
    let JsonValue::Object(members) = object else {
        return;
    };
    for (key, value) in members {
        if let ("metadata", JsonValue::Object(metadata)) = (key.as_str(), value) {
            metadata.retain(|(key, _)| key != "managedFields");
        }
    }
}

/// The precondition: what was put back is what is stored, or nothing is written (K-5.12). A JSON patch
/// gets it as its last operation: nothing behind it takes it away, and a race is answered with 409 as
/// in all other forms, where a `test` would be a 422.
fn require(body: &mut JsonValue, version: &str, patch: Option<PatchForm>) {
    let text = |text: &str| JsonValue::String(text.to_owned());
    let member = |key: &str, value| (key.to_owned(), value);
    match (body, patch) {
        (JsonValue::Array(operations), Some(PatchForm::Json)) => {
            operations.push(JsonValue::Object(vec![
                member("op", text("add")),
                member("path", text("/metadata/resourceVersion")),
                member("value", text(version)),
            ]));
        }
        (JsonValue::Object(members), _) => {
            if !members.iter().any(|(key, _)| key == "metadata") {
                members.push(member("metadata", JsonValue::Object(Vec::new())));
            }
            for (key, value) in members {
                if key == "metadata" && value.is_null() {
                    *value = JsonValue::Object(Vec::new());
                }
                if let ("metadata", JsonValue::Object(metadata)) = (key.as_str(), value) {
                    metadata.retain(|(key, _)| key != "resourceVersion");
                    metadata.push(member("resourceVersion", text(version)));
                }
            }
        }
        // A judged body is one of the two.
        (_, _) => {}
    }
}
