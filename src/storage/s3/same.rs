//! Removing an object only if it still is what was read.

use bytes::Bytes;

use super::errors::{self, Op};
use super::pace::{Purpose, Trouble};
use super::{Ordering, Reason, S3, StorageError, read};

impl S3 {
    /// Compares all bytes, and removes under the condition that the object has not been written since. Stores that ignore the condition
    /// have compared a moment ago; one that does not know it is asked without.
    pub(super) async fn remove_same(&self, full_key: &str, body: &Bytes) -> Result<bool, StorageError> {
        let inner = &self.inner;
        let head = match inner.head(full_key).await {
            Err(StorageError::NotFound) => return Ok(false),
            head => head?,
        };
        match read::whole(inner, full_key.to_owned(), body.len() as u64).await {
            Ok(found) if found == *body => {}
            Ok(_) | Err(StorageError::NotFound | StorageError::TooLarge { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        if head.is_held {
            return Err(StorageError::Locked(Reason::new("object lock")));
        }
        let Some(e_tag) = head.e_tag else { return self.remove(full_key).await.map(|()| true) };
        let send = || {
            let request = inner.client.delete_object().bucket(&inner.site.bucket).key(full_key);
            request.if_match(e_tag.clone()).send()
        };
        match inner.ask(Purpose::Cleaning, &mut Trouble::default(), send).await {
            Ok(removed) => {
                if removed.delete_marker == Some(true) {
                    inner.hidden.fetch_add(1, Ordering::Relaxed);
                }
                Ok(true)
            }
            Err(error) if errors::is_not_implemented(&error) => self.remove(full_key).await.map(|()| true),
            Err(error) => match inner.explain(Op::Delete, full_key, error) {
                StorageError::NotFound | StorageError::AlreadyExists => Ok(false),
                error => Err(error),
            },
        }
    }
}
