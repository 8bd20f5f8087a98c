//! What a case and the settings read of a rule: everything but the function that judges.

/// A rule without its function, so that what the function is handed need not know the rule.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The number of the rule, `M06`.
    pub id: &'static str,
    /// What is wrong when the rule finds something, in one line without numbers.
    pub title: &'static str,
    /// The limits of the rule by name, with their defaults.
    pub limits: &'static [(&'static str, f64)],
    /// When the rule speaks, in words; `{name}` stands for a limit.
    pub threshold: &'static str,
    /// Why a finding matters.
    pub why: &'static str,
    /// Where limit and reason come from.
    pub source: &'static str,
}

impl Facts {
    /// The default of a limit; `None` if the rule has no limit of this name.
    pub fn limit(&self, name: &str) -> Option<f64> {
        self.limits.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }
}
