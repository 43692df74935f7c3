//! The log tells what happened to whom, and never a secret.
//!
//! A subscriber is global, and so is what it collects: the log of all tests of this process, at the highest level. Each
//! test looks for the names of its own objects. That no secret is in it holds for the log of them all.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tos_emulator::{FaultRule, Verdict};
use tosget::{
    Credentials, CredentialsFuture, CredentialsProvider, DownloadFile, HeadObject, PreSignedUrl, TosClient,
    blocking,
};
use tracing_subscriber::filter::LevelFilter;

use crate::support::{BUCKET, MIB, World, chain};

/// Everything that was logged since the first call of [`listen`].
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("no panic").clone()).expect("UTF-8")
    }

    /// The lines about an object.
    fn about(&self, key: &str) -> Vec<String> {
        let text = self.text();
        let about = text.lines().filter(|line| line.contains(key));
        about.map(str::to_owned).collect()
    }
}

pub(crate) fn listen() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    });
    log.clone()
}

/// The one line that has all of these words.
#[track_caller]
fn line<'a>(lines: &'a [String], words: &[&str]) -> &'a str {
    let mut found = lines
        .iter()
        .filter(|line| words.iter().all(|word| line.contains(word)));
    match (found.next(), found.next()) {
        (Some(line), None) => line,
        (None, _) => panic!("no line has {words:?}: {lines:#?}"),
        (Some(one), Some(two)) => panic!("more than one line has {words:?}:\n{one}\n{two}"),
    }
}

#[tokio::test]
async fn each_request_is_told_once_with_what_was_asked_and_what_came() {
    let log = listen();
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "log-requests", 3 * MIB, 1);
    world
        .client()
        .download_file(world.request("log-requests"))
        .await
        .expect("downloads");
    let lines = log.about("log-requests");
    for asked in world.emulator.requests() {
        let told = line(&lines, &["DEBUG", "tosget::request: done", &asked.request_id]);
        let first = asked
            .range
            .as_deref()
            .and_then(|range| range.strip_prefix("bytes=")?.split('-').next());
        let range = format!("range=[{}, ", first.expect("a range"));
        for words in [
            &range,
            "method=GET",
            "attempt=1",
            "status=206",
            "bytes=1048576",
            "ttfb_ms=",
            "elapsed_ms=",
        ] {
            assert!(told.contains(words), "not told: {words}: {told}");
        }
        // In the download's span, so that parallel downloads can be told apart.
        assert!(
            told.contains("download{id=") && told.contains(":request{id="),
            "{told}"
        );
        let head = line(&lines, &["TRACE", "answered", &asked.request_id]);
        assert!(head.contains("connection=") && head.contains("reused="), "{head}");
    }
}

#[tokio::test]
async fn decisions_and_retries_are_told_in_a_few_lines() {
    let log = listen();
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "log-decisions", 4 * MIB, 1);
    let fault = FaultRule::new(Verdict::CloseAfter { bytes: 1000 }).range_from(3 * MIB);
    world.emulator.add_fault(fault.times(2));
    let done = world.client().download_file(world.request("log-decisions")).await;
    assert_eq!(done.expect("downloads").retries, 2);
    let lines = log.about("log-decisions");
    line(&lines, &["INFO", "tosget::download: object found size=4194304"]);
    line(
        &lines,
        &["INFO", "tosget::checkpoint: no checkpoint to go on from"],
    );
    line(
        &lines,
        &[
            "INFO",
            "tosget::download: done",
            "bytes_fetched=4194304",
            "retries=2",
        ],
    );
    let retries: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("trying again"))
        .collect();
    assert_eq!(retries.len(), 2, "{lines:#?}");
    assert!(
        retries[0].contains(" INFO ") && retries[0].contains("error=the connection broke: "),
        "{retries:#?}"
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.contains("tosget::request: let go status=206"))
            .count(),
        2
    );
}

#[tokio::test]
async fn what_becomes_of_a_checkpoint_is_told() {
    let log = listen();
    let world = World::new().await;
    world.emulator.put_virtual(BUCKET, "log-checkpoint", 4 * MIB, 1);
    let fault = FaultRule::new(Verdict::ResetBeforeHead).range_covers(3 * MIB);
    world.emulator.add_fault(fault);
    let client = world.builder().max_retry_count(0).build().expect("good");
    let request = world.request("log-checkpoint");
    client
        .download_file(request.clone())
        .await
        .expect_err("the last part fails");
    line(
        &log.about("log-checkpoint"),
        &["INFO", "tosget::checkpoint: checkpoint kept bytes="],
    );
    line(
        &log.about("log-checkpoint"),
        &["DEBUG", "tosget::request: failed", "error=the connection broke: "],
    );
    world.emulator.clear_faults();
    client.download_file(request.clone()).await.expect("goes on");
    line(
        &log.about("log-checkpoint"),
        &["INFO", "going on from a checkpoint believed=", "size=4194304"],
    );
}

struct Moody;

impl CredentialsProvider for Moody {
    fn credentials(&self) -> CredentialsFuture<'_> {
        Box::pin(async { Err("not today".into()) })
    }
}

const SECRET: &str = "zq-secret-key";
const TOKEN: &str = "zq-security-token";
const PASSWORD: &str = "zq-password";

#[tokio::test]
async fn i10_no_secret_is_logged_or_shown_at_any_level() {
    let log = listen();
    let world = World::with(|emulator| emulator.credential("AKLT-log", SECRET, Some(TOKEN.into()))).await;
    world.emulator.put_virtual(BUCKET, "log-secrets", 4 * MIB, 1);
    let keys = Credentials::new("AKLT-log", SECRET).with_security_token(TOKEN);
    let proxy = world
        .emulator
        .endpoint()
        .replace("http://", &format!("http://user:{PASSWORD}@"));
    let plain = world.builder().credentials(keys.clone());
    let proxied = plain.clone().proxy(&proxy);
    let nowhere = plain.clone().endpoint("http://127.0.0.1:1").max_retry_count(1);
    let no_proxy = plain
        .clone()
        .proxy(format!("http://user:{PASSWORD}@127.0.0.1:1"))
        .max_retry_count(1);
    let refused = plain
        .clone()
        .credentials(Credentials::new("AKLT-log", "zq-secret-key-2"))
        .max_retry_count(0);
    let moody = plain
        .clone()
        .credentials_provider(Arc::new(Moody))
        .max_retry_count(0);
    let mut shown = format!("{keys:?} {plain:?}");

    let client = plain.clone().build().expect("good");
    let url = PreSignedUrl::new(BUCKET, "log-secrets").with_expires(Duration::from_secs(60));
    shown.push_str(&format!("{url:?}"));
    let url = client.pre_signed_url(url).await.expect("signed");
    let (_, query) = url.split_once('?').expect("signed");
    let (_, signature) = url.split_once("X-Tos-Signature=").expect("signed");
    let fault = FaultRule::new(Verdict::CloseAfter { bytes: 9 })
        .range_covers(3 * MIB)
        .times(3);
    world.emulator.add_fault(fault);
    for builder in [plain.clone(), proxied, nowhere, no_proxy, refused, moody] {
        shown.push_str(&format!("{builder:?}"));
        let client = builder.build().expect("good");
        for request in [
            world.request("log-secrets"),
            world.request("log-none"),
            DownloadFile::from_pre_signed_url(&url, world.destination()).with_part_size(MIB),
        ] {
            shown.push_str(&format!("{client:?} {request:?}"));
            match client.download_file(request).await {
                Ok(done) => shown.push_str(&format!("{done:?}")),
                Err(error) => shown.push_str(&format!("{error:?} {} {:?}", chain(&error), error.hint())),
            }
            for file in world.files() {
                let bytes = std::fs::read(world.folder.path().join(&file)).expect("readable");
                shown.push_str(&file);
                if file.ends_with("journal") {
                    shown.push_str(&String::from_utf8_lossy(&bytes));
                }
            }
            let _ = std::fs::remove_file(world.destination());
        }
    }
    let expired = HeadObject::from_pre_signed_url(&url);
    world.emulator.set_clock_offset(3600);
    shown.push_str(&format!(
        "{expired:?} {:?}",
        client.head_object(expired.clone()).await.expect_err("expired")
    ));
    let builder = plain;
    let blocking = std::thread::spawn(move || format!("{:?}", blocking::TosClient::new(builder)));
    shown.push_str(&blocking.join().expect("no panic"));
    shown.push_str(&format!(
        "{:?}",
        TosClient::builder()
            .endpoint(format!("http://u:{PASSWORD}@h"))
            .anonymous()
            .build()
    ));

    let text = log.text();
    assert!(text.contains("log-secrets") && shown.contains("log-secrets"));
    for secret in [
        SECRET,
        TOKEN,
        PASSWORD,
        query,
        signature,
        "X-Tos-",
        "Signature=",
        "Credential=",
        "TOS4-HMAC",
    ] {
        for line in text.lines().chain(shown.lines()) {
            // Told by name in an error about a URL that is cut off.
            let named = line.replace("X-Tos-Algorithm but no X-Tos-Signature", "");
            assert!(!named.contains(secret), "{secret} in {line}");
        }
    }
}
