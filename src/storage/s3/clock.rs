//! The clock of the store, as its answers tell it: objects are as old as the store says, whatever our own clock shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_sdk_s3::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use chrono::{DateTime, TimeDelta, Utc};

/// By how much the store's clock is ahead of ours, as of its last answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The store's time; ours as long as the store has not answered.
    pub(super) fn now(&self) -> DateTime<Utc> {
        let ahead = TimeDelta::milliseconds(self.ahead_ms.load(Ordering::Relaxed));
        Utc::now().checked_add_signed(ahead).unwrap_or_else(Utc::now)
    }

    /// Takes the `Date` of an answer, which has whole seconds: what is less is no difference.
    fn hear(&self, date: &str) {
        let Ok(theirs) = DateTime::parse_from_rfc2822(date) else { return };
        let ahead = theirs.signed_duration_since(Utc::now()).num_milliseconds();
        self.ahead_ms.store(if ahead.abs() < 1500 { 0 } else { ahead }, Ordering::Relaxed);
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(date) = context.response().headers().get("date") {
            self.hear(date);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_the_stores_time() {
        let clock = Clock::default();
        let theirs: DateTime<Utc> = "2031-05-05T10:00:00Z".parse().unwrap();
        clock.hear("Mon, 05 May 2031 10:00:00 GMT");
        assert!(clock.now().signed_duration_since(theirs).num_seconds() < 5);
        clock.hear("no date");
        assert!(clock.now() > theirs - TimeDelta::seconds(1));
    }
}
