//! Asking Sentinels where the primary of a group is.

use super::stream::Prepared;
use super::{Address, AuthenticationFault, Command, ConnectFault, Credentials, Node};
use crate::replies::Reply;

/// Asks one Sentinel after the other; the first that knows the group decides.
pub(super) async fn primary_of(hosts: &[(String, u16)], service: &str, node: &Node) -> Result<Address, ConnectFault> {
    let mut reasons = Vec::new();
    // What no Sentinel can be asked with is no answer of theirs.
    if let (Some(tls), Some((host, _))) = (&node.tls, hosts.first()) {
        Prepared::of(tls, host).await?;
    }
    for (host, port) in hosts {
        let sentinel = node.sentinel_at(host, *port);
        match ask(&sentinel, service).await {
            Ok(Address::Tcp { host, port }) => return Ok(node.nat.translated(&host, port)),
            Ok(primary) => return Ok(primary),
            Err(reason) => reasons.push(format!("{}: {reason}", sentinel.address)),
        }
    }
    Err(ConnectFault::Sentinel { reason: reasons.join("; ") })
}

async fn ask(sentinel: &Node, service: &str) -> Result<Address, String> {
    // Most Sentinels have no password of their own: the one that is meant for the server is then left out.
    let connected = match Box::pin(sentinel.connect()).await {
        Err(error) if sentinel.sentinel.is_none() && has_no_password(&error.fault) => {
            let open = Node { credentials: Credentials::default(), ..sentinel.clone() };
            Box::pin(open.connect()).await
        }
        connected => connected,
    };
    let mut connection = connected.map_err(|error| error.fault.to_string())?;
    let command = Command::of(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", service]);
    match connection.query(&command).await.map_err(|error| error.to_string())? {
        Reply::Nil => Err(format!("it does not know the group `{service}`")),
        answer => address_in(&answer).ok_or_else(|| "its reply is not an address".to_owned()),
    }
}

fn has_no_password(fault: &ConnectFault) -> bool {
    matches!(
        fault,
        ConnectFault::Authentication {
            fault: AuthenticationFault::NoPasswordConfigured | AuthenticationFault::Rejected,
            ..
        }
    )
}

/// `[host, port]`, both as strings.
fn address_in(answer: &Reply) -> Option<Address> {
    let [host, port] = answer.items() else { return None };
    Some(Address::tcp(host.text()?, u16::try_from(port.integer()?).ok()?))
}
