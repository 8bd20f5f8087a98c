//! The credentials that the AWS chain finds: cleaned of what would break a request, and with the reason where there are none.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use super::Reason;
use super::errors::causes;
use super::seen::Seen;
use crate::blocking;

/// A provider whose credentials fit into a header: the SDK panics on others.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) inner: SharedCredentialsProvider,
    pub(super) seen: Arc<Seen>,
    /// The profile that was named other than by `AWS_PROFILE`.
    pub(super) profile: Option<String>,
}

impl Clean {
    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        match self.inner.provide_credentials().await.and_then(cleaned) {
            Ok(credentials) => {
                self.seen.note(Some(credentials.access_key_id().to_owned()), None);
                Ok(credentials)
            }
            Err(error) => {
                let (said, profile) = (Told::of(&error), self.profile.clone());
                // Which profiles there are stands in files.
                let reason = blocking::run(move || reason(&said, profile)).await;
                self.seen.note(None, Some(reason));
                Err(error)
            }
        }
    }
}

impl ProvideCredentials for Clean {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

/// Without blanks and line breaks at the ends, which secrets that are mounted as files have.
fn cleaned(found: Credentials) -> Result<Credentials, CredentialsError> {
    let (id, secret, token) = (found.access_key_id(), found.secret_access_key(), found.session_token());
    let is_clean = |text: &str| text.trim() == text;
    for (what, text) in [("key id", Some(id)), ("secret", Some(secret)), ("session token", token)] {
        let text = text.unwrap_or("x").trim();
        if text.is_empty() || text.bytes().any(|byte| !(b'!'..=b'~').contains(&byte)) {
            let words = format!(
                "the {what} of the AWS credentials is empty, or has a character that is not allowed in a {what}"
            );
            return Err(CredentialsError::invalid_configuration(words));
        }
    }
    if [id, secret, token.unwrap_or_default()].into_iter().all(is_clean) {
        return Ok(found);
    }
    let token = token.map(|token| token.trim().to_owned());
    Ok(Credentials::new(id.trim(), secret.trim(), token, found.expiry(), "cleaned"))
}

/// What the SDK says of credentials that it could not get.
struct Told {
    text: String,
    /// No source has any.
    is_nowhere: bool,
}

impl Told {
    fn of(error: &CredentialsError) -> Self {
        let is_nowhere = matches!(error, CredentialsError::CredentialsNotLoaded(_));
        Self { text: causes(error as &(dyn Error + 'static)), is_nowhere }
    }
}

/// A variable that is set, and says something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What is there of credentials, and is not enough.
fn half_of_it(profile: Option<&str>) -> Option<Reason> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    for (there, missing) in [(id, secret), (secret, id)] {
        if variable(there).is_some() && variable(missing).is_none() {
            let text = format!("{there} is set, and {missing} is not: one of them alone gives no credentials");
            return Some(Reason::new(text).hint(format!("set {missing} as well, or unset {there}")));
        }
    }
    if variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() && variable("AWS_ROLE_ARN").is_none() {
        let text = "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not: a token alone gives no credentials";
        return Some(Reason::new(text).hint("set AWS_ROLE_ARN to the role that the token is for"));
    }
    let profile = profile?;
    let files = files_of_profiles();
    let is_there = |file: &PathBuf| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        text.lines().any(|line| {
            let name = line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next());
            name.map(str::trim)
                .is_some_and(|name| name.strip_prefix("profile ").map_or(name, str::trim_start) == profile)
        })
    };
    if files.iter().any(is_there) {
        return None;
    }
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let text = format!("there is no profile `{profile}` in {}", names.join(" or "));
    Some(Reason::new(text).hint("correct AWS_PROFILE, or write the profile: `aws configure --profile NAME`"))
}

/// Where profiles stand, as the AWS tools look for them.
fn files_of_profiles() -> [PathBuf; 2] {
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    [("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")]
        .map(|(name, file)| variable(name).map_or_else(|| home.join(".aws").join(file), PathBuf::from))
}

/// Why there are no credentials, and what may help. Blocks: it reads files.
fn reason(told: &Told, profile: Option<String>) -> Reason {
    let said = &told.text;
    let profile = profile.or_else(|| variable("AWS_PROFILE"));
    let named = profile.clone().unwrap_or_else(|| "default".to_owned());
    let lower = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if told.is_nowhere {
        if let Some(reason) = half_of_it(profile.as_deref()) {
            return reason;
        }
        let text = match &profile {
            Some(profile) => {
                format!("no credentials for S3 were found, neither in the environment nor in the profile `{profile}`")
            }
            None => {
                "no credentials for S3 were found: environment, profile, web identity, container and instance have none"
                    .to_owned()
            }
        };
        return Reason::new(text).hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
    }
    for (missing, there) in
        [("aws_secret_access_key", "aws_access_key_id"), ("aws_access_key_id", "aws_secret_access_key")]
    {
        if has(&[&format!("profile missing {missing}")]) {
            let text = format!("the profile `{named}` has no `{missing}`: `{there}` alone gives no credentials");
            return Reason::new(text)
                .hint(format!("write `{missing}` into the profile, or name another by AWS_PROFILE"));
        }
    }
    if has(&["imds"]) {
        let text = "no S3 credentials were found: not in the environment or a profile, and the metadata service of this machine (IMDS) gives none";
        return Reason::new(text).hint(
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; on EC2, attach a role to the machine and allow IMDS",
        );
    }
    if has(&["http credential provider"]) {
        let names = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
        let name = names.into_iter().find(|name| variable(name).is_some()).unwrap_or(names[0]);
        return Reason::new(format!("the service that {name} names gives no credentials: {said}"))
            .hint(format!("check {name}, and the role of the container or the task"));
    }
    if has(&["sso", "login session"]) {
        return Reason::new(format!("the SSO session of the profile `{named}` gives no credentials: {said}"))
            .hint(format!("`aws sso login --profile {named}` starts a new session"));
    }
    if has(&["credential_process", "external process", "credential process", "command"]) {
        return Reason::new(format!(
            "the program that `credential_process` of the profile `{named}` names gives no credentials: {said}"
        ))
        .hint("run that program by hand: it must print the credentials as JSON");
    }
    let token_file = variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    if let (Some(file), true) = (token_file, has(&["no such file", "permission denied"])) {
        return Reason::new(format!("cannot assume the role: cannot read its token {}: {said}", file.trim()))
            .hint("AWS_WEB_IDENTITY_TOKEN_FILE must name the token that is mounted for AWS_ROLE_ARN");
    }
    if has(&["assumerole", "assume role", "assume_role", "sts", "web identity", "webidentity", "role_arn"]) {
        return Reason::new(format!("cannot assume the role: {said}"))
            .hint("check AWS_ROLE_ARN or `role_arn`, the trust policy of the role, and that STS can be reached");
    }
    Reason::new(format!("cannot get credentials: {said}"))
        .hint("check the profile, or the service that provides the credentials")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, secret: &str, token: Option<&str>) -> Credentials {
        Credentials::new(id, secret, token.map(str::to_owned), None, "test")
    }

    #[test]
    fn blanks_at_the_ends_are_left_out_and_others_refused() {
        let clean = cleaned(of("AKIA\n", " secret\r\n", Some("token\n"))).unwrap();
        assert_eq!(
            (clean.access_key_id(), clean.secret_access_key(), clean.session_token()),
            ("AKIA", "secret", Some("token"))
        );
        for (id, secret, token) in [("AK\nIA", "s", None), ("", "s", None), ("A", "s\ts", None), ("A", "s", Some("ü"))]
        {
            let error = cleaned(of(id, secret, token)).unwrap_err();
            assert!(!causes(&error).contains("ü"), "{error:?}");
        }
    }
}
