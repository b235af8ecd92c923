//! `who`: lines that must all hold.

use gateway_kubeapi::CallerKind;

use super::Draft;
use super::resolve::{Space, Target};
use crate::model::Who;
use crate::source::Node;

impl Draft<'_> {
    /// The lines of a `who`, `identity`, `any`, `not` or `acting-for` block.
    pub(super) fn who(&mut self, block: &Node) -> Option<Vec<Who>> {
        block.children.as_ref()?;
        if block.below().is_empty() {
            let message = format!("`{}` is empty", block.word);
            self.refuse(
                message,
                &block.word_at,
                "write `anyone` if you mean every caller",
            );
            return None;
        }
        let all: Vec<Option<Who>> = block
            .below()
            .iter()
            .map(|line| self.who_line(line))
            .collect();
        all.into_iter().collect()
    }

    fn who_line(&mut self, line: &Node) -> Option<Who> {
        match line.word.as_str() {
            "identity" => {
                for value in &line.values {
                    // A pattern may name blocks to come; a plain name must be one.
                    if let Some(name) = value.text().filter(|name| !name.contains(['*', '?'])) {
                        self.refer(Target::Block(Space::Identity), name, &value.location);
                    }
                }
                self.plain_patterns(&line.values).map(Who::Identity)
            }
            "group" => self.plain_patterns(&line.values).map(Who::Group),
            "user" => self.plain_patterns(&line.values).map(Who::User),
            "kind" => {
                let kinds = line
                    .values
                    .iter()
                    .map(|value| CallerKind::parse(value.text()?));
                kinds.collect::<Option<Vec<_>>>().map(Who::Kind)
            }
            "issuer" => {
                for value in &line.values {
                    self.refer(Target::Block(Space::Issuer), value.text()?, &value.location);
                }
                Some(Who::Issuer(line.texts(0)))
            }
            "attr" => {
                let name = line.text(0)?.to_owned();
                let values = line.values.get(1..)?;
                Some(Who::Attribute(name, self.plain_patterns(values)?))
            }
            "acting-for" => self.who(line).map(Who::ActingFor),
            "any" => self.who(line).map(Who::Any),
            "not" => self.who(line).map(Who::Not),
            "anyone" => Some(Who::Anyone),
            _ => None,
        }
    }
}
