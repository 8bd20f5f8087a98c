//! What a restore refuses and what goes wrong with it, as a person sees it, with every version of the server.

mod broken;
mod limits;
mod refused;
mod strangers;
