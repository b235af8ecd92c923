//! UTF-8 over windows that may end within a character.

#![forbid(unsafe_code)]

use super::Fault;

/// The begun character at the end of the text so far: at most three bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Utf8Tail {
    bytes: [u8; 4],
    len: u8,
}

impl Utf8Tail {
    pub(super) const fn is_pending(self) -> bool {
        self.len != 0
    }

    /// Checks the next bytes of the text.
    #[inline(never)]
    pub(super) fn check(&mut self, window: &[u8]) -> Result<(), Fault> {
        let mut rest = window;
        while self.len != 0 {
            let Some((first, others)) = rest.split_first() else {
                return Ok(());
            };
            rest = others;
            self.add(*first)?;
        }
        match std::str::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(fault) if fault.error_len().is_some() => Err(Fault::Utf8),
            Err(fault) => {
                let (_, begun) = rest
                    .split_at_checked(fault.valid_up_to())
                    .unwrap_or_default();
                begun.iter().try_for_each(|byte| self.add(*byte))
            }
        }
    }

    /// Adds a byte to the begun character, which it may end.
    fn add(&mut self, byte: u8) -> Result<(), Fault> {
        let at = usize::from(self.len);
        *self.bytes.get_mut(at).ok_or(Fault::Utf8)? = byte;
        let begun = self.bytes.get(..=at).ok_or(Fault::Utf8)?;
        match std::str::from_utf8(begun) {
            Ok(_) => self.len = 0,
            Err(fault) if fault.error_len().is_some() => return Err(Fault::Utf8),
            Err(_) => self.len += 1,
        }
        Ok(())
    }
}
