//! What commands return when they fail: any error that explains itself, and what was being done.

use std::error::Error;
use std::fmt;

use super::{Explain, Hint, Interrupted, Meaning};

/// The result of a command, or of a step of one.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

/// An error that explains itself, below the words for what was being done when it happened.
///
/// A type without [`Explain`] does not become one:
///
/// ```compile_fail,E0277
/// #[derive(Debug)]
/// struct Odd;
/// impl std::fmt::Display for Odd {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("odd") }
/// }
/// impl std::error::Error for Odd {}
///
/// fn command() -> redis_ops_formats::explain::Result<()> {
///     Err(Odd)?
/// }
/// ```
///
/// With it the type does, and its code is the answer's:
///
/// ```
/// # #[derive(Debug)]
/// # struct Odd;
/// # impl std::fmt::Display for Odd {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("odd") }
/// # }
/// # impl std::error::Error for Odd {}
/// use redis_ops_formats::explain::{Context, Explain, Meaning, Result};
///
/// impl Explain for Odd {
///     fn meaning(&self) -> Meaning { Meaning::of("odd") }
/// }
///
/// fn command() -> Result<()> {
///     Err(Odd).context("count the keys")
/// }
///
/// let fault = command().unwrap_err();
/// assert_eq!((fault.code(), format!("{fault:#}").as_str()), ("odd", "count the keys: odd"));
/// ```
pub struct Fault {
    error: Box<dyn Explain + Send + Sync>,
    /// In place of the error's own.
    hint: Option<Hint>,
}

impl Fault {
    /// The stable name in JSON answers.
    pub fn code(&self) -> &'static str {
        self.error.meaning().code
    }

    /// What the error below the contexts means.
    pub fn meaning(&self) -> Meaning {
        let meaning = self.error.meaning();
        Meaning { hint: self.hint.clone().or(meaning.hint), ..meaning }
    }

    /// Says what was being done.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Self {
        let Self { error, hint } = self;
        Self { error: Box::new(Doing { words: doing.to_string(), error }), hint }
    }

    /// Says what may help, in place of what the error says of itself.
    #[must_use]
    pub fn hint(self, hint: impl Into<Hint>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Says what may help beside what the error says of itself, behind that.
    #[must_use]
    pub fn and_hint(self, more: impl Into<Hint>) -> Self {
        let hint = match self.meaning().hint {
            Some(own) => own.and(more),
            None => more.into(),
        };
        Self { hint: Some(hint), ..self }
    }

    /// Says what helps most, before what the error says of itself.
    #[must_use]
    pub fn hint_first(self, first: impl Into<Hint>) -> Self {
        let hint = match self.meaning().hint {
            Some(own) => own.behind(first),
            None => first.into(),
        };
        Self { hint: Some(hint), ..self }
    }

    /// What followed from a signal: an interruption, of which this is the cause that is shown.
    #[must_use]
    pub fn after_a_signal(self) -> Self {
        Self { error: Box::new(AfterASignal(self.error)), hint: None }
    }

    /// The words for what was being done, from the outside in, the error, and its causes.
    pub fn chain(&self) -> impl Iterator<Item = &(dyn Error + 'static)> {
        let first: &(dyn Error + 'static) = &*self.error;
        std::iter::successors(Some(first), |&error| error.source())
    }

    /// The first error of the chain that is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.chain().find_map(|error| error.downcast_ref())
    }

    /// Whether an error of the chain is of this type.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.downcast_ref::<E>().is_some()
    }
}

// `Fault` itself is no `Error`: else this would be one `From` too many for the compiler.
impl<E: Explain + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { error: Box::new(error), hint: None }
    }
}

impl fmt::Display for Fault {
    /// The outermost words; with `{:#}` those of all causes too, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if f.alternate() {
            for cause in self.chain().skip(1) {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#} ({})", self.code())
    }
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// Adds words that are at hand.
    fn context(self, doing: impl fmt::Display) -> Result<T>;

    /// Adds words that are made only when they are needed.
    fn with_context<W: fmt::Display>(self, doing: impl FnOnce() -> W) -> Result<T>;
}

impl<T, E: Into<Fault>> Context<T> for Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(doing))
    }

    fn with_context<W: fmt::Display>(self, doing: impl FnOnce() -> W) -> Result<T> {
        self.map_err(|error| error.into().context(doing()))
    }
}

/// What was being done: means what the error below it means.
struct Doing {
    words: String,
    error: Box<dyn Explain + Send + Sync>,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl fmt::Debug for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.words, self.error)
    }
}

impl Error for Doing {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.error)
    }
}

impl Explain for Doing {
    fn meaning(&self) -> Meaning {
        self.error.meaning()
    }
}

/// An error after which a signal was noticed: see [`Fault::after_a_signal`].
struct AfterASignal(Box<dyn Explain + Send + Sync>);

impl fmt::Display for AfterASignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Interrupted.fmt(f)
    }
}

impl fmt::Debug for AfterASignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}: {:?}", self.0)
    }
}

impl Error for AfterASignal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl Explain for AfterASignal {
    fn meaning(&self) -> Meaning {
        Interrupted.meaning()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Failure, Misuse};
    use super::*;

    fn failed() -> Result<(), Failure> {
        Err(Failure::new("target_too_small", "no room").hint("make room"))
    }

    #[test]
    fn a_fault_means_what_the_error_below_its_contexts_means() {
        let fault = failed().context("write the keys").with_context(|| "restore").unwrap_err();
        assert_eq!(fault.meaning(), Meaning::of("target_too_small").hint("make room"));
        assert_eq!(fault.to_string(), "restore");
        assert_eq!(format!("{fault:#}"), "restore: write the keys: no room");
        let chain: Vec<String> = fault.chain().map(ToString::to_string).collect();
        assert_eq!(chain, ["restore", "write the keys", "no room"]);
        assert!(fault.is::<Failure>() && !fault.is::<Misuse>());
    }

    #[test]
    fn misuse_is_could_not_tell_for_every_command() {
        let fault = Fault::from(Misuse::usage("no target").hint("name it")).context("restore");
        assert_eq!(fault.meaning(), Meaning::of("usage").unknown().hint("name it"));
    }

    #[test]
    fn a_hint_can_be_added_and_the_causes_stay() {
        let fault = failed().context("restore").unwrap_err().and_hint("or begin anew");
        let both = Hint::All(vec![Hint::words("make room"), Hint::words("or begin anew")]);
        assert_eq!(fault.meaning(), Meaning::of("target_too_small").hint(both));
        assert_eq!(fault.chain().count(), 2);
        let fault = Fault::from(Interrupted).and_hint("again").context("restore");
        assert_eq!(fault.meaning(), Meaning::of("interrupted").hint("again"));
    }

    #[test]
    fn what_follows_from_a_signal_is_an_interruption_with_its_cause() {
        let fault = Fault::from(failed().unwrap_err()).after_a_signal();
        assert_eq!(fault.meaning(), Meaning::of("interrupted"));
        assert_eq!(format!("{fault:#}"), "interrupted: no room");
    }
}
