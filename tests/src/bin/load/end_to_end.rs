//! Documents submitted at one end of the system and taken at the other, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lienthong_tests::measure::{ProcessGroup, ProcessorTimes, Shares, percentile, processor_time};
use lienthong_tests::packet::packet;
use lienthong_tests::up::Agency;
use sdk::{
    Application, CollectError, Connection, DeliverError, Delivery, Description, Item, SubmitHandle,
    Taken,
};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A run that makes no progress for this long is ended.
const STILL_MAX: Duration = Duration::from_secs(60);

/// How many documents are sent, and at what rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) in_flight: usize,
    /// Documents a second; none: a new one as soon as one arrived.
    pub(crate) rate: Option<f64>,
}

/// The figures of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) messages: usize,
    pub(crate) seconds: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) slowest: Duration,
    /// The number of the slowest document.
    pub(crate) slowest_number: usize,
    /// Processor time of each group during the run.
    pub(crate) processor: Vec<Duration>,
    /// Shares of the processors of the whole machine.
    pub(crate) machine: Shares,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }
}

/// When each document was due and when it arrived, shared by all receivers.
#[derive(Debug)]
struct ArrivalLog {
    begun: Instant,
    due_us: Vec<AtomicU64>,
    arrived_us: Vec<AtomicU64>,
    count: AtomicUsize,
    repeats: AtomicUsize,
    arrived: Notify,
    free: Semaphore,
}

impl ArrivalLog {
    fn now_us(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn set_due(&self, number: usize, due: Instant) {
        let due_us = due.duration_since(self.begun).as_micros();
        self.due_us[number].store(u64::try_from(due_us).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn latency(&self, number: usize) -> Duration {
        let arrived_us = self.arrived_us[number].load(Ordering::Relaxed);
        let due_us = self.due_us[number].load(Ordering::Relaxed);
        Duration::from_micros(arrived_us.saturating_sub(due_us))
    }

    fn take(&self, number: usize) {
        if self.arrived_us[number].swap(self.now_us(), Ordering::Relaxed) != 0 {
            self.repeats.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.free.add_permits(1);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.arrived.notify_one();
    }
}

/// A receiving application that takes every document without delay.
#[derive(Debug)]
struct Receiver {
    key: &'static str,
    arrivals: Arc<ArrivalLog>,
}

impl Application for Receiver {
    fn describe(&self) -> Description {
        Description {
            application: format!("{}-app", self.key),
            adapter: "load".to_owned(),
            ..Description::default()
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Taken, DeliverError> {
        let number = delivery.index().number;
        let number = number.split('/').next().and_then(|it| it.parse().ok());
        if let Some(number) = number {
            self.arrivals.take(number);
        }
        Ok(Taken { reference: delivery.message_id().to_owned() })
    }

    async fn collect(
        &self,
        _: SubmitHandle,
        shutdown: CancellationToken,
    ) -> Result<(), CollectError> {
        shutdown.cancelled().await;
        Ok(())
    }
}

/// Connected senders and receivers.
pub(crate) struct EndToEnd {
    arrivals: Arc<ArrivalLog>,
    submit_handles: Vec<(SubmitHandle, &'static Agency, &'static Agency)>,
    next: AtomicUsize,
    receiving: JoinSet<()>,
    stop: CancellationToken,
}

impl EndToEnd {
    /// Connects the second half of the agencies as receivers of the first half.
    pub(crate) async fn open(gateway: &str, agencies: &'static [Agency], capacity: usize) -> Self {
        let (senders, receivers) = agencies.split_at(agencies.len() / 2);
        let zeros = || (0..capacity).map(|_| AtomicU64::new(0)).collect();
        let arrivals = Arc::new(ArrivalLog {
            begun: Instant::now(),
            due_us: zeros(),
            arrived_us: zeros(),
            count: AtomicUsize::new(0),
            repeats: AtomicUsize::new(0),
            arrived: Notify::new(),
            free: Semaphore::new(0),
        });
        let (mut receiving, stop) = (JoinSet::new(), CancellationToken::new());
        for it in receivers {
            let receiver = Arc::new(Receiver { key: it.key, arrivals: arrivals.clone() });
            let connection = connection(gateway, it);
            let stop = stop.clone();
            receiving.spawn(async move {
                Box::pin(sdk::serve(receiver, &connection, stop)).await.unwrap();
            });
        }
        let submit_handles = senders
            .iter()
            .zip(receivers)
            .map(|(from, to)| (connection(gateway, from).submit_handle().unwrap(), from, to))
            .collect();
        Self { arrivals, submit_handles, next: AtomicUsize::new(0), receiving, stop }
    }

    /// Sends a load, waits until all of it arrived, and gives the figures.
    pub(crate) async fn run(&self, load: Load, groups: &[ProcessGroup]) -> Run {
        let first = self.next.fetch_add(load.messages, Ordering::Relaxed);
        let until = first + load.messages;
        let (before, machine) =
            (groups.iter().map(processor_time).collect::<Vec<_>>(), ProcessorTimes::now());
        self.arrivals.free.forget_permits(self.arrivals.free.available_permits());
        self.arrivals.free.add_permits(load.in_flight);
        let begun = Instant::now();
        let mut sending = JoinSet::new();
        for number in first..until {
            if let Some(rate) = load.rate {
                let scheduled = Duration::from_secs_f64((number - first) as f64 / rate);
                tokio::time::sleep_until((begun + scheduled).into()).await;
                // Latency counts from the scheduled time, so a full window does not hide delay.
                self.arrivals.set_due(number, begun + scheduled);
            }
            let waiting = tokio::time::timeout(STILL_MAX, self.arrivals.free.acquire());
            waiting.await.expect_arrivals(self, until).unwrap().forget();
            if load.rate.is_none() {
                self.arrivals.set_due(number, Instant::now());
            }
            let (submit_handle, from, to) =
                &self.submit_handles[number % self.submit_handles.len()];
            let (submit_handle, body) = (submit_handle.clone(), packet(number, from, to));
            sending.spawn(async move {
                let item = Item {
                    key: format!("k{number}"),
                    format: "edxml.document".to_owned(),
                    body: body.into(),
                    ..Item::default()
                };
                submit_handle.submit(&item).await.unwrap();
            });
            while let Some(done) = sending.try_join_next() {
                done.unwrap();
            }
        }
        while self.arrivals.count.load(Ordering::Relaxed) < until {
            let waiting = tokio::time::timeout(STILL_MAX, self.arrivals.arrived.notified());
            waiting.await.expect_arrivals(self, until);
        }
        let seconds = begun.elapsed().as_secs_f64();
        let machine = ProcessorTimes::now().since(machine);
        let processor_time = groups.iter().map(processor_time).zip(before);
        let processor = processor_time.map(|(now, then)| now.saturating_sub(then)).collect();
        while let Some(done) = sending.join_next().await {
            done.unwrap();
        }
        assert_eq!(self.arrivals.repeats.load(Ordering::Relaxed), 0, "each document comes once");
        let mut times: Vec<_> = (first..until).map(|it| self.arrivals.latency(it)).collect();
        let slowest = times.iter().copied().max().unwrap_or_default();
        let slowest_number = first + times.iter().position(|it| *it == slowest).unwrap_or_default();
        let (p50, p99) = (percentile(&mut times, 0.5), percentile(&mut times, 0.99));
        Run {
            messages: load.messages,
            seconds,
            p50,
            p99,
            slowest,
            slowest_number,
            processor,
            machine,
        }
    }

    pub(crate) async fn close(mut self) {
        self.stop.cancel();
        while let Some(done) = self.receiving.join_next().await {
            done.unwrap();
        }
    }
}

/// Ends the measurement with an explanation when no document arrives any more.
trait ExpectArrivals<T> {
    fn expect_arrivals(self, load: &EndToEnd, until: usize) -> T;
}

impl<T> ExpectArrivals<T> for Result<T, tokio::time::error::Elapsed> {
    fn expect_arrivals(self, load: &EndToEnd, until: usize) -> T {
        let count = load.arrivals.count.load(Ordering::Relaxed);
        self.unwrap_or_else(|_elapsed| {
            panic!("{count} of {until} arrived, and no more for a minute")
        })
    }
}

fn connection(gateway: &str, agency: &Agency) -> Connection {
    Connection::new(gateway, format!("{}-token", agency.key))
}
