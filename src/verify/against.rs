//! What changed between two backups?

use tokio_util::sync::CancellationToken;

use super::comparing::{CompareError, Comparison, Options, Reading, differing, judge};
use super::view::View;
use crate::dataset::Dataset;
use crate::progress::Progress;

/// Compares two data sets at rest; `left` is what ought to be, or the older one. The moment of the look is the later of the two.
///
/// # Errors
/// If either is damaged, newer than we know, or cannot be read.
pub async fn compare(
    left: &Dataset,
    right: &Dataset,
    view: &View,
    options: &Options,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Comparison, CompareError> {
    left.must_be_understood()?;
    right.must_be_understood()?;
    let moments = [left.moment_ms(cancel).await?, right.moment_ms(cancel).await?];
    let look_ms = moments.into_iter().flatten().max().unwrap_or(i64::MIN);

    let reading = Reading { view, options, look_ms, progress, cancel };
    let mut one = reading.first_look(left).await?;
    let mut other = reading.first_look(right).await?;
    let difference = differing(&one, &other);
    reading.second_look(left, &mut one, &difference).await?;
    reading.second_look(right, &mut other, &difference).await?;
    judge(one, other, difference, options, look_ms).await
}
