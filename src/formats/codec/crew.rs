//! Several threads work on jobs, and the results come out in the order in which the jobs went in.

use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{CodecErrorKind, lower_priority};

/// Jobs that may wait or be done without being taken, beyond one per thread: the most that is held in memory.
const AHEAD: usize = 2;

/// Takes jobs; see [`crew`]. Dropping it without [`Crew::end`] tells the other side that the work has failed.
pub(super) struct Crew<J, R> {
    jobs: Sender<(J, Sender<R>)>,
    order: Sender<Place<R>>,
}

/// Gives results in order; see [`crew`].
pub(super) struct InOrder<R> {
    order: Receiver<Place<R>>,
}

enum Place<R> {
    Result(Receiver<R>),
    End,
}

/// The other side has gone, or a worker has panicked.
#[derive(Debug)]
pub(super) struct Gone;

/// Starts `threads` workers (at least one), each with the closure that `make` makes, at a lowered priority if `nice`.
pub(super) fn crew<J, R, W>(
    threads: usize,
    nice: bool,
    make: impl Fn() -> W,
) -> Result<(Crew<J, R>, InOrder<R>), CodecErrorKind>
where
    J: Send + 'static,
    R: Send + 'static,
    W: FnMut(J) -> R + Send + 'static,
{
    let threads = threads.max(1);
    let (jobs, waiting) = bounded::<(J, Sender<R>)>(threads + AHEAD);
    let (order, ordered) = bounded(threads + AHEAD);
    for number in 0..threads {
        let waiting = waiting.clone();
        let mut work = make();
        let run = move || {
            if nice {
                lower_priority();
            }
            for (job, reply) in waiting {
                // Nobody may want the result any more; then the next job will not come.
                let _ = reply.send(work(job));
            }
        };
        thread::Builder::new()
            .name(format!("codec-{number}"))
            .spawn(run)
            .map_err(|error| CodecErrorKind::NoThread(error.to_string()))?;
    }
    Ok((Crew { jobs, order }, InOrder { order: ordered }))
}

impl<J, R> Crew<J, R> {
    /// Hands in a job; waits while too many are under way.
    pub(super) fn submit(&self, job: J) -> Result<(), Gone> {
        let (reply, result) = bounded(1);
        self.order.send(Place::Result(result)).map_err(|_| Gone)?;
        self.jobs.send((job, reply)).map_err(|_| Gone)
    }

    /// Hands in a result that needs no work.
    pub(super) fn ready(&self, result: R) -> Result<(), Gone> {
        let (reply, place) = bounded(1);
        reply.send(result).map_err(|_| Gone)?;
        self.order.send(Place::Result(place)).map_err(|_| Gone)
    }

    /// Says that nothing follows.
    pub(super) fn end(self) -> Result<(), Gone> {
        self.order.send(Place::End).map_err(|_| Gone)
    }
}

impl<R> InOrder<R> {
    /// The next result; `None` after [`Crew::end`].
    pub(super) fn next(&self) -> Result<Option<R>, Gone> {
        match self.order.recv() {
            Ok(Place::Result(result)) => result.recv().map(Some).map_err(|_| Gone),
            Ok(Place::End) => Ok(None),
            Err(_) => Err(Gone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let (crew, results) = crew(3, false, || |n: u64| (0..(100 - n) * 1000).fold(n, |n, _| n)).unwrap();
        let feeding = thread::spawn(move || {
            for n in 0..100 {
                crew.submit(n).unwrap();
            }
            crew.end().unwrap();
        });
        for n in 0..100 {
            assert_eq!(results.next().unwrap(), Some(n));
        }
        assert_eq!(results.next().unwrap(), None);
        feeding.join().unwrap();
    }

    #[test]
    fn a_crew_that_is_dropped_has_not_ended_well() {
        let (crew, results) = crew(1, false, || |n: u64| n).unwrap();
        crew.submit(1).unwrap();
        drop(crew);
        assert_eq!(results.next().unwrap(), Some(1));
        assert!(results.next().is_err());
    }

    #[test]
    fn a_worker_that_panics_is_an_error_and_not_an_end() {
        let (crew, results) = crew(1, false, || |n: u64| assert!(n < 1, "as planned")).unwrap();
        crew.submit(0).unwrap();
        crew.submit(1).unwrap();
        assert!(results.next().is_ok());
        assert!(results.next().is_err());
    }

    #[test]
    fn jobs_are_refused_when_nobody_wants_the_results() {
        let (crew, results) = crew(1, false, || |n: u64| n).unwrap();
        drop(results);
        assert!(crew.submit(1).is_err());
    }
}
