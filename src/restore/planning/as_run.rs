//! What a run would ask before its first write: a plan asks the same, so that both give one answer.

use super::Planned;
use crate::explain::Result;
use crate::rdb::oddity::logs_while_it_loads;
use crate::restore::alone::{AtWork, at_work};
use crate::restore::functions;
use crate::restore::options::{Asked, Existing, Method};
use crate::restore::replay::assemble::name_of;
use crate::restore::request::Watcher;
use crate::restore::target_format::TargetFormat;

impl Planned {
    /// What a run asks before its first write: whether another restore is at work, and whether names of the backup are taken.
    pub(super) async fn look_as_a_run_would(&mut self, watcher: &Watcher<'_>) -> Result<()> {
        let mut connection = self.connection().await?;
        match at_work(&mut connection).await {
            AtWork::Nobody => {}
            AtWork::From(address) => self.plan.is_locked(&address),
            AtWork::Unknown => self.plan.may_be_locked(&self.target),
        }
        if let Some(address) = self.request.local.listen
            && self.request.options.method == Asked::Only(Method::Replica)
            && let Err(error) = tokio::net::TcpListener::bind(address).await
        {
            self.plan.cannot_listen(&format!("cannot listen on {address}: {error}"));
        }
        let options = &self.request.options;
        if self.plan.refusal().is_none()
            && options.existing != Existing::ReplaceAll
            && !self.target.function_names.is_empty()
            && let Some(sources) = self.libraries(watcher).await?
            && let Some(taken) = functions::taken(&sources, &self.target.function_names)
        {
            self.plan.function_is_taken(&taken, self.request.options.accept_loss);
        }
        if self.plan.refusal().is_none()
            && TargetFormat::of(&self.target.server).crashes_of_logs()
            && let Some(sources) = self.libraries(watcher).await?
            && let Some(source) = sources.libraries.iter().find(|source| logs_while_it_loads(source))
        {
            let name = String::from_utf8_lossy(name_of(source)).into_owned();
            self.plan.function_would_crash(&name, self.request.options.accept_loss);
        }
        if self.plan.refusal().is_none() && !self.facts.only_once {
            let taken = self.names_taken(watcher, &mut connection).await?;
            self.plan.names_are(taken);
            // A run counts what it meets; and what it has kept is a warning.
            let kept = self.names_kept(watcher, &mut connection).await?;
            self.plan.names_stay(kept);
        }
        self.connection = Some(connection);
        Ok(())
    }
}
