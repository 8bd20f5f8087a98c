//! What can go wrong between us and a server, as data that a sentence and an exit code can be made of.
//!
//! [`ConnectError`]: there is no connection. [`CommandError`]: there is one, and a command got no answer or an error.
//! What may help is said elsewhere (`hint`), from the variants.

mod command;
mod connect;

pub use command::CommandFault;
pub(in crate::connection) use command::longer;
pub(crate) use command::{CommandError, ServerError, WAIT_UNTIL_LOADED};
pub(crate) use connect::ConnectError;
pub use connect::{AuthenticationFault, ConnectFault, Phase};
