//! The masks of a bundle, ready to be asked which of them concern a resource.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::FixedState;
use gateway_kubeapi::ResourceId;
use gateway_masking::Strategy;
use gateway_masking::{Encoding, GuardRule, GuardScope, GuardStrategy, MaskKey, MaskRule};

use super::plan::{Class, MaskPlan, Source, TEMPLATES};
use super::{MASKS_MAX, MaskKeys, MaskSet, Masking, builtin};
use crate::compile::CompileFault;
use crate::compile::lines::OnLine;
use crate::model::WriteBack;
use crate::model::{Bundle, Embedding, Mask, MaskPart, MaskStrategy, MaskedPath, On, SECRET_LIKE};
use crate::set::{Reading, plain_name, resource_in};
use crate::tri::Tri;

/// BOUND: combinations of masks whose programs are kept; those past it are compiled anew for each
/// request, which is slow and right.
const PLANS_MAX: usize = 1_024;

/// Subresources whose answers are bytes or text.
const STREAMS: &[&str] = &["attach", "exec", "log", "portforward", "proxy"];
/// Subresources that answer with an object of their own. All others are taken to answer with the
/// object they belong to, as `status`, `ephemeralcontainers` and `resize` do (K-4.10).
const OWN_ANSWERS: &[&str] = &["binding", "eviction", "token"];

type Plans = HashMap<(Class, Vec<Use>), Arc<MaskPlan>, FixedState>;

/// The masks of a bundle under their numbers.
#[derive(Debug)]
pub(crate) struct MaskTable {
    /// The mask that comes with the language first, the others by name.
    names: Vec<String>,
    masks: Vec<PreparedMask>,
    plans: RwLock<Plans>,
}

#[derive(Debug)]
pub(super) struct PreparedMask {
    /// As it stands in markers.
    pub(super) name: Box<str>,
    pub(super) write_back: WriteBack,
    parts: Vec<PreparedPart>,
}

/// One `for`, with its keys found. Nothing is derived yet.
#[derive(Debug)]
pub(super) struct PreparedPart {
    resources: OnLine,
    /// What is taken out by name also takes out what `"pods"` implies.
    excluded: OnLine,
    pub(super) rules: Vec<MaskRule>,
    pub(super) guards: Vec<GuardRule>,
}

/// A part that concerns a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Use {
    mask: usize,
    part: usize,
    /// The resource itself is meant.
    direct: bool,
    /// Pods are meant, and the resource holds a template of one.
    embedded: bool,
}

impl MaskTable {
    /// Prepares all masks.
    ///
    /// # Errors
    ///
    /// If a key is missing or no key, or a mask is more than a program may hold.
    pub(crate) fn build(
        bundle: &Bundle,
        cluster: &str,
        keys: &MaskKeys,
    ) -> Result<Self, CompileFault> {
        let own = builtin::secret_like();
        let all = std::iter::once((SECRET_LIKE, &own)).chain(
            bundle
                .masks
                .iter()
                .map(|(name, mask)| (name.as_str(), mask)),
        );
        let mut preparing = Preparing {
            bundle,
            cluster,
            keys,
            found: BTreeMap::new(),
        };
        let (mut names, mut masks) = (Vec::new(), Vec::new());
        for (name, mask) in all {
            if names.len() == MASKS_MAX {
                return Err(CompileFault::TooManyMasks);
            }
            names.push(name.to_owned());
            masks.push(preparing.mask(name, mask)?);
        }
        let table = Self {
            names,
            masks,
            plans: RwLock::default(),
        };
        table.prove()?;
        Ok(table)
    }

    /// Compiles each part alone, for the largest object it may meet, so that a mask that no program
    /// can hold rejects the bundle and not a request.
    fn prove(&self) -> Result<(), CompileFault> {
        for (name, mask) in self.names.iter().zip(&self.masks).skip(1) {
            for part in &mask.parts {
                let refused = Class::largest().find_map(|class| {
                    let source = Source {
                        mask,
                        part,
                        direct: true,
                        embedded: class.template().is_some(),
                    };
                    MaskPlan::new(class, &[source]).prove().err()
                });
                if let Some(fault) = refused {
                    let mask = name.clone();
                    return Err(CompileFault::Mask { mask, fault });
                }
            }
        }
        Ok(())
    }

    /// The bit of a mask.
    pub(crate) fn set_of(&self, name: &str) -> Option<MaskSet> {
        MaskSet::of(self.names.iter().position(|own| own == name)?)
    }

    pub(crate) fn names_in(&self, masks: MaskSet) -> impl Iterator<Item = &str> {
        masks
            .indexes()
            .filter_map(|index| self.names.get(index))
            .map(String::as_str)
    }

    /// The part of the masks that concerns a resource.
    pub(crate) fn masking(&self, masks: MaskSet, resource: &ResourceId) -> Option<Masking> {
        if masks.is_empty() {
            return None;
        }
        let object = parent_of(resource);
        let class = Class::of(object.as_ref().unwrap_or(resource), resource);
        let mut uses = Vec::new();
        for index in masks.indexes() {
            for (place, part) in self.parts(index) {
                let direct =
                    part.selects(resource) || object.as_ref().is_some_and(|own| part.selects(own));
                let base = object.as_ref().unwrap_or(resource);
                let embedded =
                    class.template().is_some() && part.selects(&pods()) && !part.excludes(base);
                if direct || embedded {
                    uses.push(Use {
                        mask: index,
                        part: place,
                        direct,
                        embedded,
                    });
                }
            }
        }
        if uses.is_empty() {
            return None;
        }
        Some(Masking {
            plan: self.plan(class, uses),
            resource: object.unwrap_or_else(|| resource.clone()),
        })
    }

    fn parts(&self, mask: usize) -> impl Iterator<Item = (usize, &PreparedPart)> {
        let parts = self.masks.get(mask).map(|mask| mask.parts.iter());
        parts.into_iter().flatten().enumerate()
    }

    fn plan(&self, class: Class, uses: Vec<Use>) -> Arc<MaskPlan> {
        let key = (class, uses);
        // Nothing panics while the lock is held; were it so, the map is still whole.
        let kept = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = kept.get(&key) {
            return Arc::clone(plan);
        }
        drop(kept);
        let sources: Vec<Source<'_>> = key.1.iter().filter_map(|one| self.source(*one)).collect();
        let plan = Arc::new(MaskPlan::new(class, &sources));
        let mut kept = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < PLANS_MAX {
            return Arc::clone(kept.entry(key).or_insert(plan));
        }
        plan
    }

    fn source(&self, one: Use) -> Option<Source<'_>> {
        let mask = self.masks.get(one.mask)?;
        Some(Source {
            mask,
            part: mask.parts.get(one.part)?,
            direct: one.direct,
            embedded: one.embedded,
        })
    }
}

impl PreparedPart {
    /// Doubt counts against the request: what may be meant is meant.
    fn selects(&self, resource: &ResourceId) -> bool {
        asked(&self.resources, resource) != Tri::False
    }

    fn excludes(&self, resource: &ResourceId) -> bool {
        asked(&self.excluded, resource) == Tri::True
    }
}

fn asked(line: &OnLine, resource: &ResourceId) -> Tri {
    match line {
        OnLine::Resources(selection) => selection.ask(Reading::Touches, &|_, pattern| {
            resource_in(pattern, resource)
        }),
        OnLine::Urls(_) => Tri::False,
        OnLine::Everything => Tri::True,
    }
}

/// The object that a subresource answers with.
pub(crate) fn parent_of(resource: &ResourceId) -> Option<ResourceId> {
    let subresource = resource.subresource.as_str();
    let own = STREAMS.contains(&subresource) || OWN_ANSWERS.contains(&subresource);
    (!subresource.is_empty() && !own).then(|| ResourceId {
        subresource: String::new(),
        ..resource.clone()
    })
}

/// Answers of the resource are text or bytes.
pub(crate) fn is_stream(resource: &ResourceId) -> bool {
    STREAMS.contains(&resource.subresource.as_str())
}

fn pods() -> ResourceId {
    ResourceId {
        group: String::new(),
        resource: "pods".to_owned(),
        subresource: String::new(),
    }
}

struct Preparing<'a> {
    bundle: &'a Bundle,
    cluster: &'a str,
    keys: &'a MaskKeys,
    found: BTreeMap<&'a str, Arc<MaskKey>>,
}

impl<'a> Preparing<'a> {
    fn mask(&mut self, name: &str, mask: &'a Mask) -> Result<PreparedMask, CompileFault> {
        let mut parts = Vec::new();
        for part in &mask.parts {
            parts.push(self.part(name, part)?);
        }
        Ok(PreparedMask {
            name: plain_name(name).into(),
            write_back: mask.write_back,
            parts,
        })
    }

    fn part(&mut self, name: &str, part: &'a MaskPart) -> Result<PreparedPart, CompileFault> {
        let line = |terms| OnLine::of(self.bundle, &On::Resources(terms));
        let excluded = crate::model::Terms {
            include: part.resources.exclude.clone(),
            exclude: Vec::new(),
        };
        let mut guards = Vec::new();
        for detection in &part.detections {
            guards.push(GuardRule {
                mask: plain_name(name).into(),
                detectors: detection.detectors.clone(),
                scope: GuardScope::Found,
                strategy: self.of_found(name, &detection.strategy)?,
                within: detection.within.clone(),
            });
        }
        Ok(PreparedPart {
            resources: line(part.resources.clone()),
            excluded: line(excluded),
            guards,
            rules: self.rules(name, &part.paths)?,
        })
    }

    /// What becomes of what a detector finds.
    fn of_found(
        &mut self,
        name: &str,
        strategy: &'a MaskStrategy,
    ) -> Result<GuardStrategy, CompileFault> {
        Ok(match strategy {
            // The last two are never decoded.
            MaskStrategy::Redact | MaskStrategy::Drop | MaskStrategy::Embedded(..) => {
                GuardStrategy::Redact
            }
            MaskStrategy::Hash { key } => GuardStrategy::Hash {
                key: self.key(name, key)?,
            },
            MaskStrategy::Fpe { key } => GuardStrategy::Fpe {
                key: self.key(name, key)?,
            },
            MaskStrategy::Partial { keep_last } => GuardStrategy::Partial {
                keep_last: *keep_last,
            },
        })
    }

    fn rules(
        &mut self,
        name: &str,
        paths: &'a [MaskedPath],
    ) -> Result<Vec<MaskRule>, CompileFault> {
        let mut rules = Vec::new();
        for own in paths {
            let strategy = match &own.strategy {
                MaskStrategy::Drop => Strategy::Drop,
                MaskStrategy::Redact => Strategy::Redact,
                MaskStrategy::Hash { key } => Strategy::Hash {
                    key: self.key(name, key)?,
                },
                MaskStrategy::Fpe { key } => Strategy::Fpe {
                    key: self.key(name, key)?,
                },
                MaskStrategy::Partial { keep_last } => Strategy::Partial {
                    keep_last: *keep_last,
                },
                MaskStrategy::Embedded(embedding, inner) => {
                    let rules = self.rules(name, inner)?;
                    match embedding {
                        Embedding::Json => Strategy::Json { rules },
                        Embedding::Base64 => Strategy::Base64 { rules },
                        Embedding::Yaml => Strategy::Yaml { rules },
                    }
                }
            };
            rules.push(MaskRule {
                mask: plain_name(name).into(),
                path: own.path.clone(),
                strategy,
                encoding: Encoding::Plain,
            });
        }
        Ok(rules)
    }

    fn key(&mut self, mask: &str, name: &'a str) -> Result<Arc<MaskKey>, CompileFault> {
        if let Some(key) = self.found.get(name) {
            return Ok(Arc::clone(key));
        }
        let Some(secret) = self.keys.find(name) else {
            let line = self.bundle.mask_keys.get(name);
            return Err(CompileFault::MissingMaskKey {
                key: name.to_owned(),
                mask: mask.to_owned(),
                origin: line.map_or_else(
                    || "an `hmac-key` line of the name".to_owned(),
                    |line| line.origin.to_string(),
                ),
            });
        };
        let key = MaskKey::new(name, secret, self.cluster)?;
        let key = Arc::new(key);
        self.found.insert(name, Arc::clone(&key));
        Ok(key)
    }
}

/// Whether a resource holds a pod template.
pub(super) fn template_of(group: &str, resource: &str) -> Option<usize> {
    TEMPLATES
        .iter()
        .position(|(own, name, _)| (*own, *name) == (group, resource))
}
