//! Fault rules drawn by lot, and what each of them can explain.

use fastrand::Rng;
use serde_json::{Value, json};

use super::content::Content;

/// A rule for the emulator, with what has to be known of it to judge a run.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) rule: Value,
    /// What the rule makes of the object.
    pub(crate) replaces: Option<Content>,
    pub(crate) nature: Nature,
}

/// What kind of trouble a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// The network or the server fails, and does not hide it.
    Failing,
    /// The server refuses with a status below 500.
    Refusing,
    /// The server says that the object is another one, or makes it one.
    Replacing,
    /// The server says what is not true of the object or of the body.
    Lying,
    /// The server keeps the CRC64 of the object to itself, by which alone lies in a body show.
    Hiding,
    /// The server tells nothing by which one state of the object could be told from another.
    Unidentified,
}

/// Which verdicts go together in one story: where the CRC64 is hidden nothing can tell a lie from the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    MayLie,
    MayHide,
    /// It never tells anything that identifies the object, and replaces it.
    TellsNothing,
}

impl Server {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..10) {
            0 => Self::MayHide,
            1 => Self::TellsNothing,
            _ => Self::MayLie,
        }
    }

    pub(crate) fn may_replace(self) -> bool {
        self != Self::MayHide
    }
}

/// All faults of a run.
pub(crate) fn draw_all(rng: &mut Rng, server: Server, key: &str, object: Content) -> Vec<Fault> {
    let fault = |rule, nature, replaces| Fault {
        rule,
        replaces,
        nature,
    };
    let mut faults: Vec<Fault> = match rng.u8(..24) {
        // Together with headers of the service nothing could tell the page from an object.
        0 => {
            let verdict = json!({"portal": {"html": "<html><title>\u{1b}[31mPlease log in</title></html>"}});
            vec![fault(rule(rng, key, &verdict), Nature::Failing, None)]
        }
        1 => unannounced(key),
        2 => vec![empty_at_first(key)],
        _ => (0..rng.u8(..4)).map(|_| draw(rng, server, key, object)).collect(),
    };
    if server == Server::TellsNothing {
        let hidden = [
            json!("hide_etag"),
            json!("hide_crc"),
            json!({"remove_header": {"name": "last-modified"}}),
        ];
        let always = |verdict| {
            fault(
                json!({"key": key, "verdict": verdict}),
                Nature::Unidentified,
                None,
            )
        };
        faults.extend(hidden.map(always));
        if rng.u8(..3) == 0 {
            let (verdict, nature, replaces) = replace_object(rng, object);
            faults.push(fault(rule(rng, key, &verdict), nature, replaces));
        }
    }
    faults
}

/// Every answer is the whole object, and none tells how long it is.
fn unannounced(key: &str) -> Vec<Fault> {
    let always = |verdict: &str| Fault {
        rule: json!({"key": key, "verdict": verdict}),
        replaces: None,
        nature: Nature::Failing,
    };
    ["ignore_range", "hide_length"].map(always).to_vec()
}

/// Once only: a server that says each time that the object is empty is to be believed.
fn empty_at_first(key: &str) -> Fault {
    Fault {
        rule: json!({"key": key, "times": 1, "verdict": {"status": {"status": 200, "body": "empty"}}}),
        replaces: None,
        nature: Nature::Failing,
    }
}

/// For a time the service is away, in one way or another.
pub(crate) fn outage(rng: &mut Rng, key: &str) -> Value {
    let verdict = match rng.u8(..4) {
        0 => json!("reset_before_head"),
        1 => json!("close_before_head"),
        _ => {
            let status = [500, 502, 503, 429][rng.usize(..4)];
            json!({"status": {"status": status, "code": "SoakOutage"}})
        }
    };
    json!({"key": key, "verdict": verdict})
}

/// How long an answer that comes late may take. Longer than the idle timeout of some runs.
const LONGEST_DELAY_MS: u64 = 1500;

/// The verdict's name is in the rule; see the emulator's `Verdict`.
fn draw(rng: &mut Rng, server: Server, key: &str, object: Content) -> Fault {
    loop {
        let (verdict, nature, replaces) = draw_verdict(rng, object);
        let fits = match server {
            Server::MayLie => nature != Nature::Hiding,
            Server::MayHide => !matches!(nature, Nature::Lying | Nature::Replacing),
            Server::TellsNothing => matches!(nature, Nature::Failing | Nature::Refusing),
        };
        if fits {
            let rule = rule(rng, key, &verdict);
            return Fault {
                rule,
                replaces,
                nature,
            };
        }
    }
}

/// Which requests the verdict strikes.
fn rule(rng: &mut Rng, key: &str, verdict: &Value) -> Value {
    let mut rule = json!({"key": key, "verdict": verdict});
    match rng.u8(..10) {
        // For good.
        0 => {}
        1..=3 => rule["probability"] = json!(0.05 + rng.f64() * 0.4),
        4 | 5 => rule["every"] = json!(rng.u64(2..9)),
        _ => rule["times"] = json!(rng.u64(1..5)),
    }
    if rng.bool() {
        rule["nth"] = json!(rng.u64(1..8));
    }
    rule["seed"] = json!(rng.u32(..));
    rule
}

fn draw_verdict(rng: &mut Rng, object: Content) -> (Value, Nature, Option<Content>) {
    let bytes = rng.u64(..object.size.clamp(1, 3 << 20));
    let offset = rng.u64(..object.size.max(1));
    let late = if rng.bool() {
        json!(rng.u64(..LONGEST_DELAY_MS))
    } else {
        Value::Null
    };
    let plain = |verdict: Value, nature| (verdict, nature, None);
    match rng.u8(..34) {
        0 => plain(
            json!({"delay": {"ms": rng.u64(..LONGEST_DELAY_MS)}}),
            Nature::Failing,
        ),
        1 => plain(
            json!({"status": canned(rng, &[500, 502, 503, 429])}),
            Nature::Failing,
        ),
        2 => plain(
            json!({"status": canned(rng, &[400, 403, 404, 412, 416])}),
            Nature::Refusing,
        ),
        3 => plain(redirect(rng), Nature::Refusing),
        4 => plain(json!("reset_before_head"), Nature::Failing),
        5 => plain(json!("close_before_head"), Nature::Failing),
        6 => plain(json!({"stall_before_head": {"ms": late}}), Nature::Failing),
        7 | 8 => plain(json!({"reset_after": {"bytes": bytes}}), Nature::Failing),
        9 | 10 => plain(json!({"close_after": {"bytes": bytes}}), Nature::Failing),
        11 => plain(
            json!({"stall_after": {"bytes": bytes, "ms": late}}),
            Nature::Failing,
        ),
        12 => plain(bandwidth(rng), Nature::Failing),
        13 => plain(wrong_content_range(rng), Nature::Lying),
        14 => plain(json!("ignore_range"), Nature::Failing),
        15 | 16 => plain(json!({"flip_byte": {"offset": offset}}), Nature::Lying),
        17 => replace_object(rng, object),
        18 => plain(
            json!({"other_etag": {"etag": "0123456789abcdef"}}),
            Nature::Replacing,
        ),
        19 => plain(json!("hide_etag"), Nature::Replacing),
        20 => plain(json!("hide_crc"), Nature::Hiding),
        21 => plain(json!("wrong_crc"), Nature::Lying),
        22 => plain(json!("wrong_range_crc"), Nature::Lying),
        23 => header(rng),
        24 => plain(
            json!({"huge_header": {"bytes": rng.usize(..1 << 20)}}),
            Nature::Failing,
        ),
        25 => plain(
            json!({"extra_bytes": {"bytes": rng.u64(1..100_000)}}),
            Nature::Lying,
        ),
        26 => plain(
            json!({"max_concurrent": {"limit": rng.u8(1..5)}}),
            Nature::Failing,
        ),
        27 | 28 => beyond(rng),
        29 => plain(json!({"reset_after": {"bytes": rng.u8(..2)}}), Nature::Failing),
        30 => plain(
            json!({"stall_after": {"bytes": rng.u8(..2), "ms": late}}),
            Nature::Failing,
        ),
        31 => plain(json!("hide_length"), Nature::Failing),
        32 => plain(json!("unquoted_etag"), Nature::Replacing),
        _ => plain(json!("weak_etag"), Nature::Replacing),
    }
}

/// Whoever comes while so many are there is refused in some way.
fn beyond(rng: &mut Rng) -> (Value, Nature, Option<Content>) {
    let (verdict, nature) = match rng.u8(..5) {
        0 => (
            json!({"status": {"status": 403, "code": "AccessDenied"}}),
            Nature::Refusing,
        ),
        1 => (
            json!({"status": {"status": 401, "body": "empty"}}),
            Nature::Refusing,
        ),
        2 => (json!("reset_before_head"), Nature::Failing),
        3 => (json!("close_before_head"), Nature::Failing),
        _ => (json!({"stall_before_head": {}}), Nature::Failing),
    };
    let limit = rng.u8(1..6);
    (
        json!({"beyond": {"limit": limit, "verdict": verdict}}),
        nature,
        None,
    )
}

fn canned(rng: &mut Rng, statuses: &[u16]) -> Value {
    let status = statuses[rng.usize(..statuses.len())];
    let mut answer = json!({"status": status, "code": "SoakFault", "message": "\u{1b}[31mon purpose\r\n"});
    match rng.u8(..5) {
        0 => answer["headers"] = json!({"Retry-After": "1"}),
        1 => answer["body"] = json!({"html": "<html><body>on purpose</body></html>"}),
        2 => answer["body"] = json!({"filler": 300_000}),
        3 => answer["body"] = json!("empty"),
        _ => {}
    }
    answer
}

/// Nobody listens on port 1: whoever follows learns it.
fn redirect(rng: &mut Rng) -> Value {
    let status = [301, 302, 307, 308][rng.usize(..4)];
    json!({"redirect": {"status": status, "location": "http://127.0.0.1:1/elsewhere"}})
}

fn bandwidth(rng: &mut Rng) -> Value {
    let rate = 1u64 << rng.u8(15..23);
    match rng.bool() {
        true => json!({"bandwidth": {"per_connection": rate}}),
        false => json!({"bandwidth": {"total": rate}}),
    }
}

fn wrong_content_range(rng: &mut Rng) -> Value {
    match rng.bool() {
        true => json!({"wrong_content_range": {"shift": rng.i64(-3..1 << 20)}}),
        false => json!({"wrong_content_range": {"total": rng.u64(1..1 << 30)}}),
    }
}

fn replace_object(rng: &mut Rng, object: Content) -> (Value, Nature, Option<Content>) {
    let new = replacement(rng, object);
    let verdict = json!({"replace_object": {"seed": new.seed, "size": new.size}});
    (verdict, Nature::Replacing, Some(new))
}

/// Another content; often of the same size, where a mixture of both would show in the CRC64 only.
pub(crate) fn replacement(rng: &mut Rng, object: Content) -> Content {
    let size = match rng.u8(..3) {
        0 => rng.u64(..object.size * 2 + 2),
        _ => object.size,
    };
    Content {
        seed: rng.u64(..),
        size,
    }
}

fn header(rng: &mut Rng) -> (Value, Nature, Option<Content>) {
    let named = |name: &str| json!({"remove_header": {"name": name}});
    let set = |name: &str, value: &str| json!({"set_header": {"name": name, "value": value}});
    let (verdict, nature) = match rng.u8(..11) {
        0 => (named("content-range"), Nature::Lying),
        1 => (named("last-modified"), Nature::Replacing),
        2 => (named("date"), Nature::Failing),
        3 => (named("x-tos-request-id"), Nature::Failing),
        4 => (set("x-tos-hash-crc64ecma", "1"), Nature::Lying),
        5 => (
            set("last-modified", "Tue, 02 Jan 2024 03:04:05 GMT"),
            Nature::Replacing,
        ),
        6 => (set("content-range", "bytes 0-0/*"), Nature::Lying),
        7 => (set("x-tos-version-id", "another"), Nature::Replacing),
        8 => (set("date", "Tue, 02 Jan 2024 03:04:05 GMT"), Nature::Failing),
        9 => (json!({"content_encoding": {"value": "gzip"}}), Nature::Lying),
        _ => (json!({"qos_delay": {"value": "20"}}), Nature::Failing),
    };
    (verdict, nature, None)
}
