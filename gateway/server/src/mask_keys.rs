//! The keys of a bundle's masks, from where the bundle says they are.

use gateway_policy::masks::MaskKeys;
use gateway_policy::model::{Bundle, MaskKeyOrigin};

/// Reads them all. A bundle whose keys are not there is not good.
pub(crate) fn mask_keys(bundle: &Bundle) -> Result<MaskKeys, String> {
    let mut keys = MaskKeys::none();
    for (name, source) in &bundle.mask_keys {
        let content = match &source.origin {
            MaskKeyOrigin::Environment(variable) => std::env::var_os(variable)
                .map(std::os::unix::ffi::OsStringExt::into_vec)
                .ok_or_else(|| {
                    format!("hmac-key `{name}`: the variable `{variable}` is not set")
                })?,
            MaskKeyOrigin::File(path) => std::fs::read(path)
                .map_err(|error| format!("hmac-key `{name}`: cannot read `{path}`: {error}"))?,
        };
        keys.add(name, &content)
            .map_err(|fault| fault.to_string())?;
    }
    Ok(keys)
}
