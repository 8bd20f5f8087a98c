//! The credentials that the AWS chain finds: cleaned of what would break a request, and with the reason where there are none.

use std::env;
use std::error::Error;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

use super::Reason;
use super::errors::causes;
use super::seen::Seen;

/// A provider whose credentials fit into a header: the SDK panics on others.
#[derive(Debug)]
pub(super) struct Clean {
    pub(super) inner: SharedCredentialsProvider,
    pub(super) seen: Arc<Seen>,
}

impl Clean {
    async fn provide(&self) -> Result<Credentials, CredentialsError> {
        match self.inner.provide_credentials().await.and_then(cleaned) {
            Ok(credentials) => {
                self.seen.note(Some(credentials.access_key_id().to_owned()), None);
                Ok(credentials)
            }
            Err(error) => {
                self.seen.note(None, Some(reason(&error)));
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
            let words = format!("the {what} of the AWS credentials is empty, or holds a character that no {what} has");
            return Err(CredentialsError::invalid_configuration(words));
        }
    }
    if [id, secret, token.unwrap_or_default()].into_iter().all(is_clean) {
        return Ok(found);
    }
    let token = token.map(|token| token.trim().to_owned());
    Ok(Credentials::new(id.trim(), secret.trim(), token, found.expiry(), "cleaned"))
}

/// Why there are no credentials, and what may help.
fn reason(error: &CredentialsError) -> Reason {
    let said = causes(error as &(dyn Error + 'static));
    let profile = env::var("AWS_PROFILE").ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let named = profile.clone().unwrap_or_else(|| "default".to_owned());
    let lower = said.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if let CredentialsError::CredentialsNotLoaded(_) = error {
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
    if has(&["sso", "login session"]) {
        return Reason::new(format!("the SSO session of the profile `{named}` gives no credentials: {said}"))
            .hint(format!("`aws sso login --profile {named}` begins a new session"));
    }
    if has(&["credential_process", "external process", "credential process", "command"]) {
        return Reason::new(format!(
            "the program that `credential_process` of the profile `{named}` names gives no credentials: {said}"
        ))
        .hint("run that program by hand: it must print the credentials as JSON");
    }
    let token_file = env::var("AWS_WEB_IDENTITY_TOKEN_FILE").ok().filter(|file| !file.is_empty());
    if let (Some(file), true) = (token_file, has(&["no such file", "permission denied"])) {
        return Reason::new(format!("the role cannot be assumed: its token {} cannot be read: {said}", file.trim()))
            .hint("AWS_WEB_IDENTITY_TOKEN_FILE must name the token that is mounted for AWS_ROLE_ARN");
    }
    if has(&["assumerole", "assume role", "assume_role", "sts", "web identity", "webidentity", "role_arn"]) {
        return Reason::new(format!("the role cannot be assumed: {said}"))
            .hint("check AWS_ROLE_ARN or `role_arn`, the trust policy of the role, and that STS can be reached");
    }
    Reason::new(format!("cannot get credentials: {said}"))
        .hint("check the profile, or the service that gives the credentials")
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
