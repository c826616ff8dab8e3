//! Object stores, against a server that we did not write and that checks signatures: s3s-fs (`cargo install s3s-fs --version 0.14.1 --features binary --locked`).

use crate::support::show::{FIRST, Show, outputs, same, segment, tree};
use crate::support::{finish, mezzo, succeed, until};
use mezzo::job::Pace;
use mezzo::sink::Publish;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const KEY: (&str, &str) = ("MEZZOTESTKEY", "a-secret-of-the-test");

struct S3 {
    dir: tempfile::TempDir,
    address: SocketAddr,
    child: Child,
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl S3 {
    /// `None`, and a line that says so, where there is no server. It has the bucket `live`.
    fn start() -> Option<S3> {
        let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/s3/bin/s3s-fs");
        let program = if own.exists() { own } else { PathBuf::from("s3s-fs") };
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("live")).expect("made");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut server = Command::new(program);
        server.args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--access-key", KEY.0, "--secret-key", KEY.1]).arg(dir.path());
        let Ok(child) = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            eprintln!("skipped: no s3s-fs here (make s3)");
            return None;
        };
        let started = S3 { dir, address, child };
        until("s3s-fs listens", 10, || TcpStream::connect(address).is_ok());
        Some(started)
    }

    fn table(&self, prefix: &str, more: &str) -> String {
        format!("[[output]]\nurl = \"s3://live/{prefix}\"\nendpoint = \"http://{}\"\nregion = \"eu-test-1\"\n{more}", self.address)
    }

    /// Objects by name below a prefix, without what the server keeps beside them.
    fn objects(&self, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let all = tree(&self.dir.path().join("live").join(prefix));
        all.into_iter().filter(|(path, _)| !path.split('/').any(|part| part.starts_with('.'))).collect()
    }
}

/// Whether this process has the credentials. If not, the test is run again in one that has.
fn credentials(test: &str, secret: &str) -> bool {
    let own = std::env::var("AWS_ACCESS_KEY_ID").is_ok_and(|key| key == KEY.0) && std::env::var("AWS_SECRET_ACCESS_KEY").is_ok_and(|found| found == secret);
    if !own {
        // They are read from the environment, which a process must not change once it has threads.
        let mut again = Command::new(std::env::current_exe().expect("this program"));
        again.args(["--exact", &format!("objects::{test}"), "--nocapture"]).env("AWS_ACCESS_KEY_ID", KEY.0).env("AWS_SECRET_ACCESS_KEY", secret);
        let done = again.stdin(Stdio::null()).output().expect("it runs");
        let ran = String::from_utf8_lossy(&done.stdout).contains("1 passed");
        assert!(ran && done.status.success(), "{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    }
    own
}

#[test]
fn a_bucket_has_what_was_published() {
    if !credentials("a_bucket_has_what_was_published", KEY.1) {
        return;
    }
    let Some(s3) = S3::start() else { return };
    let lines = format!("{}{}", s3.table("a/b", ""), s3.table("event", "window = \"event\"\n"));
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    show.segments(3);
    // Larger than what is put in one piece.
    show.publish(segment("v", FIRST + 3, 40 << 20));
    let old = format!("v/{FIRST}.m4s");
    show.publish(Publish::Remove { path: old.clone() });
    let counts = show.end();
    same("the bucket", &s3.objects("a/b"), &show.made);
    assert!(s3.objects("event").contains_key(&old), "all of the event stays there");
    for one in &counts {
        assert_eq!((one.state, one.dropped, one.segments), ("well", 0, 7), "{one:?}");
    }
    assert_eq!((counts[0].deleted, counts[1].deleted), (1, 0));
}

#[test]
fn a_bucket_says_what_its_objects_are_and_how_long_they_may_be_kept() {
    if !credentials("a_bucket_says_what_its_objects_are_and_how_long_they_may_be_kept", KEY.1) {
        return;
    }
    let Some(s3) = S3::start() else { return };
    let mut show = Show::begin(&outputs(&s3.table("x", "")), Pace::Live);
    show.segments(1);
    show.end();
    // s3s-fs keeps what it was told of an object in a file beside it.
    let beside: Vec<String> = tree(s3.dir.path())
        .into_iter()
        .filter(|(path, _)| path.contains("internal") || path.contains(".json"))
        .map(|(path, bytes)| format!("{path}: {}", String::from_utf8_lossy(&bytes)))
        .collect();
    let told = beside.join("\n");
    for word in ["video/mp4", "audio/mp4", "application/vnd.apple.mpegurl", "application/dash+xml", "immutable", "max-age=1"] {
        assert!(told.contains(word), "{word} is not in {told}");
    }
}

#[test]
fn a_wrong_secret_is_refused_and_the_event_goes_on() {
    if !credentials("a_wrong_secret_is_refused_and_the_event_goes_on", "another-secret") {
        return;
    }
    let Some(s3) = S3::start() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut show = Show::begin(&outputs(&format!("{}[[output]]\nurl = {:?}\n", s3.table("x", ""), dir.path().display().to_string())), Pace::Live);
    show.segments(3);
    until("it is refused", 5, || show.counts(0).failures["refused"] > 0);
    let counts = show.end().remove(0);
    assert!(counts.segments == 0 && counts.last_error.as_deref().is_some_and(|why| !why.contains("another-secret")), "{counts:?}");
    assert!(s3.objects("x").is_empty());
    same("the directory", &tree(dir.path()), &show.made);
}

#[test]
fn a_worker_publishes_into_a_bucket_and_a_second_one_with_other_settings_is_refused() {
    if !credentials("a_worker_publishes_into_a_bucket_and_a_second_one_with_other_settings_is_refused", KEY.1) {
        return;
    }
    let Some(s3) = S3::start() else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out");
    let job = dir.path().join("job.toml");
    let text = format!(
        "inputs = [\"testsrc:size=256x144,rate=25,duration=6\"]\noutputs = [{:?}]\nladder = \"tiny\"\npace = \"fast\"\n{}",
        out.display().to_string(),
        s3.table("x", "")
    );
    std::fs::write(&job, text).expect("written");
    let job = job.display().to_string();
    succeed(mezzo(&["run", &job]), 120);
    let mut here = tree(&out);
    here.remove("resolution.json");
    same("the bucket", &s3.objects("x"), &here);
    let other = dir.path().join("other").display().to_string();
    let bucket = format!("s3://live/x#endpoint=http://{}&region=eu-test-1", s3.address);
    let args = [
        "run",
        "--input",
        "testsrc:size=256x144,rate=25,duration=6",
        "--ladder",
        "tiny",
        "--segment",
        "1s",
        "--pace",
        "fast",
        "--output",
        &other,
        "--output",
        &bucket,
    ];
    let refused = finish(mezzo(&args), 60);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("another encoding"), "{said}");
    assert!(!std::path::Path::new(&other).exists(), "nothing was written");
}
