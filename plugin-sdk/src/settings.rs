//! What the operator wrote for a plugin.

use std::{any::type_name, fmt, str::FromStr};

use crate::Error;
pub use crate::bindings::host::cloakroom::session::settings::{all, get};

/// The settings that a plugin is initialized with.
///
/// ```
/// # use cloakroom_plugin_sdk::{Error, Settings};
/// fn entropy(settings: &Settings) -> Result<u32, Error> {
///     settings.allow_only(&["entropy_bits"])?;
///     Ok(settings.parse("entropy_bits")?.unwrap_or(128))
/// }
///
/// let settings = Settings::new(vec![("entropy_bits".into(), "160".into())]);
/// assert_eq!(entropy(&settings).unwrap(), 160);
///
/// let misspelt = Settings::new(vec![("entropy_bit".into(), "160".into())]);
/// let error = entropy(&misspelt).unwrap_err();
/// assert!(error.message().contains("there is no setting `entropy_bit`"));
/// ```
#[derive(Clone, Default)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    /// Settings by name.
    #[must_use]
    pub fn new(settings: Vec<(String, String)>) -> Self {
        Self(settings)
    }

    /// A setting's value, as text.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A setting's value as a number or anything else that can be read from text; the error names the setting.
    pub fn parse<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Error::InvalidArgument(format!(
                "the setting `{name}` is `{text}`, which is no {}",
                type_name::<T>()
            ))),
        }
    }

    /// Refuses settings that the plugin does not know, by name: a misspelt one would be ignored in silence.
    pub fn allow_only(&self, known: &[&str]) -> Result<(), Error> {
        let Some((unknown, _)) = self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
            return Ok(());
        };
        let instead = match known {
            [] => "this plugin has none".to_owned(),
            known => format!("there are `{}`", known.join("`, `")),
        };
        Err(Error::InvalidArgument(format!("there is no setting `{unknown}`; {instead}")))
    }
}

/// Shows names only: a value may be a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings::new(vec![("keys".into(), "k1:secret".into()), ("entropy_bits".into(), "many".into())])
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let error = settings().allow_only(&["keys"]).unwrap_err();
        assert_eq!(error.message(), "there is no setting `entropy_bits`; there are `keys`");
        let error = settings().allow_only(&[]).unwrap_err();
        assert_eq!(error.message(), "there is no setting `keys`; this plugin has none");
    }

    #[test]
    fn a_value_that_cannot_be_read_is_refused_with_the_name_and_the_value() {
        let error = settings().parse::<u32>("entropy_bits").unwrap_err();
        assert_eq!(error.message(), "the setting `entropy_bits` is `many`, which is no u32");
        assert_eq!(settings().parse::<u32>("absent").unwrap(), None);
    }

    #[test]
    fn debug_output_does_not_show_values() {
        assert_eq!(format!("{:?}", settings()), r#"["keys", "entropy_bits"]"#);
    }
}
