//! The search against simulated networks, in simulated time: many seconds of a download in a few milliseconds.

use std::time::Duration;

use proptest::prelude::*;

use super::{Look, MOST, Search};

const TICK: Duration = Duration::from_millis(5);
const LOOK_EVERY: u32 = 20;

const MB: f64 = 1e6;

/// What is between the tasks and the object.
#[derive(Clone, Copy, Debug)]
struct Network {
    /// Bytes per second of the line, and of each connection at most.
    line: f64,
    connection: f64,
    /// From a request to the first byte of its answer, give or take half of it.
    latency: Duration,
    /// A new connection takes so long to double its rate, beginning at 100 kB/s; zero if it is at its rate at once.
    doubling: Duration,
    piece: f64,
    /// More requests than this at a time are refused.
    most: usize,
    /// All rates vary by up to this part, from look to look.
    noise: f64,
    seed: u64,
}

const PLAIN: Network = Network {
    line: 400.0 * MB,
    connection: 20.0 * MB,
    latency: Duration::from_millis(3),
    doubling: Duration::ZERO,
    piece: 20.0 * 1024.0 * 1024.0,
    most: usize::MAX,
    noise: 0.02,
    seed: 1,
};

/// Answers begin after two round trips of 200 ms, and each doubling of a connection's rate takes one.
const LONG: Network = Network {
    latency: Duration::from_millis(400),
    doubling: Duration::from_millis(200),
    ..PLAIN
};

/// One task: asks, receives, asks again.
#[derive(Clone, Copy)]
struct Task {
    asked: Duration,
    /// When the answer begins; a refused request is made again then.
    answer: Duration,
    is_refused: bool,
    /// When its connection was made, and how far its warm-up is kept when the next piece begins.
    connected: Duration,
    left: f64,
}

/// What was seen at each look: the time, the tasks allowed, the bytes received in all.
struct Run {
    looks: Vec<(Duration, usize, f64)>,
    refusals: usize,
}

impl Run {
    /// Bytes per second from one moment to another.
    fn rate(&self, from: f64, to: f64) -> f64 {
        let bytes = |at: f64| {
            let later = self.looks.iter().find(|look| look.0.as_secs_f64() >= at);
            later.expect("within the run").2
        };
        (bytes(to) - bytes(from)) / (to - from)
    }

    fn tasks(&self, from: f64, to: f64) -> impl Iterator<Item = usize> {
        let (from, to) = (Duration::from_secs_f64(from), Duration::from_secs_f64(to));
        let seen = self.looks.iter().filter(move |look| (from..to).contains(&look.0));
        seen.map(|look| look.1)
    }

    fn most_tasks(&self, from: f64, to: f64) -> usize {
        self.tasks(from, to).max().expect("looked at")
    }

    /// The number that tasks were kept at for the longest time.
    fn usual_tasks(&self, from: f64, to: f64) -> usize {
        let mut tasks: Vec<usize> = self.tasks(from, to).collect();
        tasks.sort_unstable();
        tasks[tasks.len() / 2]
    }
}

impl Network {
    fn run(self, seconds: f64) -> Run {
        self.run_changing(seconds, |_| self)
    }

    /// Downloads for so many seconds on a network that may change with time.
    fn run_changing(self, seconds: f64, at: impl Fn(f64) -> Network) -> Run {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut search = Search::new(Duration::ZERO);
        let mut tasks: Vec<Task> = Vec::new();
        let mut look = Look {
            is_wanted: true,
            ..Look::default()
        };
        let (mut received, mut pace) = (0.0, 1.0);
        let mut run = Run {
            looks: Vec::new(),
            refusals: 0,
        };
        let mut ticks = 0;
        while look.now.as_secs_f64() < seconds {
            let now = look.now;
            let network = at(now.as_secs_f64());
            if ticks % LOOK_EVERY == 0 {
                pace = 1.0 + network.noise * (2.0 * random.f64() - 1.0);
                run.looks.push((now, search.tasks(), received));
                (look.received, look.at_work) = (received as u64, tasks.len());
                search.look(&look);
            }
            ticks += 1;
            while tasks.len() < search.tasks() {
                tasks.push(Task {
                    asked: now,
                    answer: now,
                    is_refused: true,
                    connected: now + network.latency,
                    left: network.piece,
                });
            }
            let mut in_flight = tasks.iter().filter(|task| !task.is_refused).count();
            for index in 0..tasks.len() {
                if !tasks[index].is_refused || tasks[index].answer > now {
                    continue;
                }
                tasks[index].asked = now;
                if in_flight < network.most {
                    in_flight += 1;
                    tasks[index].is_refused = false;
                    tasks[index].answer = now + network.latency.mul_f64(0.5 + random.f64());
                } else {
                    run.refusals += 1;
                    search.overloaded(now, tasks.len(), look.first_byte);
                    tasks[index].answer = now + Duration::from_millis(100 + random.u64(..200));
                }
            }
            received += network.receive(now, &mut tasks, pace);
            for task in &tasks {
                if !task.is_refused && task.answer <= now && task.answer + TICK > now {
                    look.answers += 1;
                    look.first_byte = network.latency;
                }
            }
            let allowed = search.tasks();
            let mut at_work = tasks.len();
            tasks.retain_mut(|task| {
                let is_refused_and_too_many = task.is_refused && at_work > allowed;
                if task.left > 0.0 && !is_refused_and_too_many {
                    return true;
                }
                if at_work > allowed {
                    at_work -= 1;
                    return false;
                }
                (task.left, task.is_refused, task.answer) = (network.piece, true, now);
                true
            });
            look.task_time += TICK * u32::try_from(tasks.len()).expect("few");
            look.now += TICK;
        }
        run.looks.push((look.now, search.tasks(), received));
        run
    }

    /// Gives each connection what it can take, and no more than its share of the line.
    fn receive(self, now: Duration, tasks: &mut [Task], pace: f64) -> f64 {
        let mut wanting: Vec<(usize, f64)> = (0..tasks.len())
            .filter(|index| !tasks[*index].is_refused && tasks[*index].answer <= now)
            .map(|index| (index, self.speed(now.saturating_sub(tasks[index].connected))))
            .collect();
        wanting.sort_by(|a, b| a.1.total_cmp(&b.1));
        let mut left = self.line * pace * TICK.as_secs_f64();
        let mut sharing = wanting.len();
        let mut received = 0.0;
        for (index, speed) in wanting {
            let most = speed * pace * TICK.as_secs_f64();
            let share = most.min(left / sharing as f64).min(tasks[index].left);
            (left, sharing) = (left - share, sharing - 1);
            tasks[index].left -= share;
            received += share;
        }
        received
    }

    fn speed(self, age: Duration) -> f64 {
        if self.doubling.is_zero() {
            return self.connection;
        }
        let doublings = age.as_secs_f64() / self.doubling.as_secs_f64();
        (0.1 * MB * doublings.min(60.0).exp2()).min(self.connection)
    }
}

fn seeds() -> impl Strategy<Value = u64> {
    any::<u64>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_line_that_takes_twenty_connections_is_full_within_three_seconds_and_has_no_more(seed in seeds()) {
        let run = Network { seed, ..PLAIN }.run(40.0);
        let (early, late) = (run.rate(3.0, 8.0) / PLAIN.line, run.rate(8.0, 40.0) / PLAIN.line);
        prop_assert!(early > 0.95 && late > 0.96, "{early} {late}");
        let usual = run.usual_tasks(5.0, 40.0);
        prop_assert!((19..=22).contains(&usual), "{usual}");
        prop_assert!(run.most_tasks(4.0, 40.0) <= 26, "{}", run.most_tasks(4.0, 40.0));
    }

    #[test]
    fn a_line_that_one_connection_fills_has_few(seed in seeds(), noise in 0.0..0.04) {
        let line = Network { line: 100.0 * MB, connection: 1000.0 * MB, seed, noise, ..PLAIN };
        let run = line.run(40.0);
        let rate = run.rate(0.5, 40.0) / line.line;
        prop_assert!(rate > 0.97, "{rate}");
        prop_assert!(run.most_tasks(0.0, 40.0) <= 4, "{}", run.most_tasks(0.0, 40.0));
    }

    #[test]
    fn a_service_that_refuses_more_than_sixteen_has_no_more_for_most_of_the_time(seed in seeds()) {
        let service = Network { most: 16, seed, ..PLAIN };
        let run = service.run(60.0);
        let best = 16.0 * service.connection;
        let rate = run.rate(3.0, 60.0) / best;
        prop_assert!(rate > 0.90, "{rate}");
        prop_assert!((14..=16).contains(&run.usual_tasks(3.0, 60.0)), "{}", run.usual_tasks(3.0, 60.0));
        prop_assert!(run.refusals < 100, "{}", run.refusals);
    }

    #[test]
    fn a_long_line_is_filled_though_its_connections_start_slowly(seed in seeds()) {
        let run = Network { seed, ..LONG }.run(120.0);
        let rate = run.rate(15.0, 120.0) / LONG.line;
        prop_assert!(rate > 0.7, "{rate}");
        let usual = run.usual_tasks(60.0, 120.0);
        // A piece takes 1 s, and is waited for 0.4 s.
        prop_assert!((16..=48).contains(&usual), "{usual}");
    }

    #[test]
    fn a_line_that_becomes_wider_or_narrower_is_followed(seed in seeds()) {
        let before = Network { seed, ..PLAIN };
        for (factor, tasks) in [(2.0, 36..=44), (0.5, 9..=12)] {
            let run = before.run_changing(90.0, |now| Network {
                line: before.line * if now < 20.0 { 1.0 } else { factor },
                ..before
            });
            let rate = run.rate(45.0, 90.0) / (before.line * factor);
            prop_assert!(rate > 0.94, "{factor}: {rate}");
            let usual = run.usual_tasks(50.0, 90.0);
            prop_assert!(tasks.contains(&usual), "{factor}: {usual}");
        }
    }

    #[test]
    fn tiny_objects_are_asked_for_by_as_many_as_the_service_can_answer(seed in seeds()) {
        // Each task brings fifty objects a second, and the service answers with at most a thousand.
        let piece = 16.0 * 1024.0;
        let tiny = Network { latency: Duration::from_millis(20), piece, line: 1000.0 * piece, connection: 100.0 * MB, seed, ..PLAIN };
        let run = tiny.run(40.0);
        let rate = run.rate(5.0, 40.0) / tiny.line;
        prop_assert!(rate > 0.7, "{rate}");
        prop_assert!((18..=40).contains(&run.usual_tasks(10.0, 40.0)), "{}", run.usual_tasks(10.0, 40.0));
    }

    #[test]
    fn the_number_stays_within_its_bounds_on_any_network(
        seed in seeds(), line in 1.0..2000.0f64, connection in 0.1..200.0f64, latency in 1u64..300, most in 1usize..100, noise in 0.0..0.2
    ) {
        let network = Network {
            line: line * MB,
            connection: connection * MB,
            latency: Duration::from_millis(latency),
            most,
            noise,
            seed,
            ..PLAIN
        };
        let run = network.run(60.0);
        prop_assert!(run.tasks(0.0, 60.0).all(|tasks| (1..=MOST).contains(&tasks)));
        let seconds = network.piece / network.connection + network.latency.as_secs_f64();
        let possible = network.line.min(network.piece / seconds * most.min(MOST) as f64);
        prop_assert!(run.rate(30.0, 60.0) > 0.15 * possible, "{} of {possible}", run.rate(30.0, 60.0));
    }
}

#[test]
fn a_long_line_is_nine_tenths_full_in_most_runs() {
    let mut rates: Vec<f64> = (0..25)
        .map(|seed| Network { seed, ..LONG }.run(120.0).rate(15.0, 120.0) / LONG.line)
        .collect();
    rates.sort_by(f64::total_cmp);
    assert!(rates[0] > 0.7 && rates[rates.len() / 2] > 0.9, "{rates:?}");
}

/// Runs that came to 0.54, 0.63 and 0.67 once: the doubling ended early by chance, and steps of an eighth, every other one of
/// them down, took a minute to make up for it.
#[test]
fn a_long_line_is_filled_also_where_the_doubling_ended_early() {
    for seed in [930, 917, 9_814_424_727_033_694_283] {
        let rate = Network { seed, ..LONG }.run(120.0).rate(15.0, 120.0) / LONG.line;
        assert!(rate > 0.8, "{seed}: {rate}");
    }
}
