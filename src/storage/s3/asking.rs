//! How a request is sent: again as long as that may help, and with a checksum as long as the store takes one.

use std::error::Error;
use std::sync::atomic::Ordering;

use aws_sdk_s3::error::ProvideErrorMetadata;
use tokio::time::Instant;

use super::pace::{Purpose, Trouble};
use super::{Inner, errors};

/// How often a body that was damaged on its way is sent again.
const DAMAGED: u32 = 5;

impl Inner {
    /// Sends a request, and sends it again as long as that may help.
    pub(super) async fn ask<T, E, F>(
        &self,
        purpose: Purpose,
        trouble: &mut Trouble,
        send: impl Fn() -> F,
    ) -> Result<T, errors::SdkFailure<E>>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<T, errors::SdkFailure<E>>>,
    {
        let mut damaged = 0;
        loop {
            let begun = Instant::now();
            let error = match send().await {
                Ok(done) => {
                    self.pace.answered(trouble);
                    return Ok(done);
                }
                Err(error) => error,
            };
            let Some(why) = errors::passing(&error, &self.site, self.pace.is_transferring()) else {
                self.pace.answered(trouble);
                return Err(error);
            };
            trouble.note(&why);
            damaged += u32::from(errors::is_damaged(&error));
            if damaged > DAMAGED || !self.pace.again(purpose, trouble, begun, &why).await {
                return Err(error);
            }
        }
    }

    /// Sends a request with a checksum. One that the store refuses is sent once more as it is; if it is refused again, and taken without
    /// a checksum, the store knows none: that is remembered, and said.
    pub(super) async fn ask_with_checksum<T, E, F>(
        &self,
        trouble: &mut Trouble,
        send: impl Fn(bool) -> F,
    ) -> Result<T, errors::SdkFailure<E>>
    where
        E: ProvideErrorMetadata + Error + 'static,
        F: Future<Output = Result<T, errors::SdkFailure<E>>>,
    {
        let (mut refusals, mut refused) = (0, None);
        loop {
            let with_checksum = refusals < 2 && !self.no_checksums.load(Ordering::Relaxed);
            match self.ask(Purpose::Work, trouble, || send(with_checksum)).await {
                Err(error) if with_checksum && errors::may_be_about_checksums(&error) => {
                    refusals += 1;
                    refused = Some(error);
                }
                Ok(done) => {
                    if refusals > 1 && !self.no_checksums.swap(true, Ordering::Relaxed) {
                        tracing::warn!("the store refuses request checksums: redis-ops stops sending them");
                    }
                    return Ok(done);
                }
                // It was not the checksum.
                Err(error) => return Err(refused.unwrap_or(error)),
            }
        }
    }
}
