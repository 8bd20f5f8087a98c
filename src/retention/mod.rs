//! Which backups are kept, and what becomes of the others: the policy of an instance, the plan that it comes to for a repository, and the
//! removal. What is asked and shown is left to the commands.

mod carry_out;
mod plan;
mod policy;
mod span;

pub use carry_out::{Done, Fate, Report, carry_out, carry_out_one, carry_out_unpublished};
pub use plan::{LEFT_FOR, NeededBy, Next, Plan, Planned, Wanted, nobody, plan, plan_behind};
pub use policy::{Hold, Policy, SAFETY, UNLIMITED, Why};
pub use span::Span;

#[cfg(test)]
pub use {plan::Left, policy::Rule};

#[cfg(test)]
mod tests;
