//! A planned sweep on one device: workers take pieces of work, records come out as they are done.

use super::{
    data::Data,
    device::{Device, one_thread},
    error::TrainError,
    fit::{self, FittedHead},
};
use cache::FeatureCache;
use experiment::plan::SweepPlan;
use program::interrupt::Interrupt;
use std::{
    collections::VecDeque,
    sync::{Mutex, mpsc},
    thread,
};

/// A planned sweep, ready to run.
#[derive(Debug)]
pub struct Sweep<'cache> {
    /// The features.
    pub cache: &'cache FeatureCache,
    /// What to do.
    pub plan: SweepPlan,
    /// Where.
    pub device: Device,
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepEnd {
    /// Everything was done.
    Complete,
    /// The user asked to stop; what was done is recorded.
    Interrupted,
}

enum Message {
    HeadEpochs(u64),
    Done(Vec<FittedHead>),
    Failed(TrainError),
}

impl Sweep<'_> {
    /// Runs the plan; `done` gets every finished piece, `advance` every head-epoch, both on this thread.
    ///
    /// # Errors
    /// The first error of a worker or of `done`; pieces that were handed to `done` before are kept.
    pub fn run<E: From<TrainError>>(
        self,
        interrupt: &Interrupt,
        mut advance: impl FnMut(u64),
        mut done: impl FnMut(Vec<FittedHead>) -> Result<(), E>,
    ) -> Result<SweepEnd, E> {
        let augmented = self.plan.reads_augmented_views();
        let workers = self.plan.resources.workers.clamp(1, self.plan.work.len().max(1));
        let queue = Mutex::new(VecDeque::from(self.plan.work));
        let (sender, messages) = mpsc::channel();
        // A stop of our own: an error of `done` must end the workers, but is not the user's wish.
        let stop = Interrupt::never();
        thread::scope(|scope| {
            for _ in 0..workers {
                let (messages, queue, stop) = (sender.clone(), &queue, stop.clone());
                let (cache, device, conditions) = (self.cache, self.device, &self.plan.conditions);
                let protocols = &self.plan.protocols;
                let next = || queue.lock().ok().and_then(|mut queue| queue.pop_front());
                let spawned = thread::Builder::new().spawn_scoped(scope, move || {
                    if device == Device::Cpu {
                        one_thread();
                    }
                    let result = Data::normalised(
                        cache,
                        device,
                        conditions.normalise,
                        conditions.test_time_augmentation,
                        augmented,
                    )
                    .and_then(|data| {
                        while let Some(work) = next().filter(|_| !stop.requested()) {
                            let advance = |count| drop(messages.send(Message::HeadEpochs(count)));
                            let work = work.prepare(cache.class_counts());
                            let fitted = fit::run(work, &data, protocols, &stop, &advance)?;
                            drop(messages.send(Message::Done(fitted)));
                        }
                        Ok(())
                    });
                    if let Err(error) = result {
                        drop(messages.send(Message::Failed(error)));
                    }
                });
                if let Err(error) = spawned {
                    drop(sender.send(Message::Failed(TrainError::Thread(error))));
                    break;
                }
            }
            drop(sender);
            collect(&messages, interrupt, &stop, &mut advance, &mut done)
        })
    }
}

/// Hears the workers out; the first failure and the user's wish stop them.
fn collect<E: From<TrainError>>(
    messages: &mpsc::Receiver<Message>,
    interrupt: &Interrupt,
    stop: &Interrupt,
    advance: &mut dyn FnMut(u64),
    done: &mut dyn FnMut(Vec<FittedHead>) -> Result<(), E>,
) -> Result<SweepEnd, E> {
    let mut end = Ok(SweepEnd::Complete);
    loop {
        let message = match messages.recv_timeout(std::time::Duration::from_millis(100)) {
            Ok(message) => Some(message),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
            Err(mpsc::RecvTimeoutError::Disconnected) => return end,
        };
        if interrupt.requested() && end.is_ok() {
            end = Ok(SweepEnd::Interrupted);
            stop.request();
        }
        let failure = match message {
            None | Some(Message::Failed(TrainError::Interrupted)) => None,
            Some(Message::HeadEpochs(count)) => {
                advance(count);
                None
            }
            Some(Message::Done(fitted)) => done(fitted).err(),
            Some(Message::Failed(error)) => Some(E::from(error)),
        };
        if let (Some(failure), true) = (failure, end.is_ok()) {
            end = Err(failure);
            stop.request();
        }
    }
}
