use crate::config;
use crate::job::output::{Fsync, Keep, Login, Manifests, Method, Output, PushOutput, Secret};
use crate::job::wishes::Wishes;
use crate::job::{Job, Pace};
use crate::time::Seconds;
use std::path::PathBuf;

/// The job that these lines make, beside a live input.
fn job(lines: &str) -> Result<Job, String> {
    let text = format!("inputs = [\"udp://127.0.0.1:5000\"]\nladder = \"tiny\"\n{lines}\n");
    let wishes: Wishes = config::parse("job", "j.toml", &text).map_err(|e| e.to_string())?;
    wishes.check("j.toml").map_err(|e| e.to_string())
}

fn push(job: &Job, n: usize) -> &PushOutput {
    let Output::Push(push) = &job.outputs[n] else { panic!("{:?} is no push", job.outputs[n]) };
    push
}

#[test]
fn every_kind_is_read_from_its_address() {
    let job = job("outputs = [\"out\", \"https://origin.example/live/ch1\", \"s3://bucket/a/b\", \"gs://bucket\", \"az://container/x/\"]").expect("legal");
    assert_eq!(job.pace, Pace::Live);
    let shown: Vec<String> = job.outputs.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["out", "https://origin.example/live/ch1/", "s3://bucket/a/b/", "gs://bucket/", "az://container/x/"]);
    assert_eq!(job.directories().collect::<Vec<_>>(), [PathBuf::from("out")]);
    let usual = push(&job, 1);
    assert_eq!((usual.method, usual.manifests, usual.delete, &usual.login), (Method::Put, Manifests::Ingest, false, &Login::Open));
}

#[test]
fn a_table_says_more_and_so_does_a_fragment() {
    let table = "[[output]]\nurl = \"https://h/live?key=${KEY}\"\nmethod = \"post\"\ntoken_env = \"TOKEN\"\nmanifests = false\ndelete = true\nbacklog_mib = 16\nfill_in = \"30s\"";
    let table = job(table).expect("legal");
    let fragment =
        job("outputs = [\"https://h/live?key=${KEY}#method=post&token_env=TOKEN&manifests=false&delete=true&backlog_mib=16&fill_in=30s\"]").expect("legal");
    assert_eq!(table.outputs, fragment.outputs);
    let one = push(&table, 0);
    assert_eq!(
        (one.method, one.manifests, one.delete, one.backlog.bytes, one.backlog.fill_in),
        (Method::Post, Manifests::None, true, 16 << 20, Some(Seconds::whole(30)))
    );
    assert_eq!((&one.login, one.query.as_deref()), (&Login::Bearer(Secret::Variable("TOKEN".into())), Some("key=${KEY}")));
    let user = job("outputs = [\"https://me:${PASS}@h/x\"]").expect("legal");
    assert_eq!(push(&user, 0).login, Login::Basic { user: "me".into(), password: Secret::Variable("PASS".into()) });
    assert_eq!(user.outputs[0].to_string(), "https://h/x/");
    let directory =
        job("window = \"1m\"\n[[output]]\nurl = \"out\"\nwindow = \"event\"\nfsync = \"segment\"\n[[output]]\nurl = \"b\"\nwindow = \"10m\"").expect("legal");
    let kept = |n: usize| if let Output::Directory(d) = &directory.outputs[n] { Some((d.keep, d.fsync)) } else { None };
    assert_eq!((kept(0), kept(1)), (Some((Keep::Event, Fsync::Segment)), Some((Keep::Last(Seconds::whole(600)), Fsync::Never))));
}

#[test]
fn flags_mean_all_that_a_file_says_of_outputs() {
    let file: Wishes = toml::from_str("inputs = [\"udp://h:1\"]\noutputs = [\"a\"]\n[[output]]\nurl = \"b\"").expect("TOML");
    let flags = Wishes { outputs: Some(vec!["c".into()]), ..Wishes::default() };
    let shown = |wishes: Wishes| wishes.check("j").expect("legal").outputs.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(file.clone()), ["a", "b"]);
    assert_eq!(shown(flags.over(file)), ["c"]);
}

#[test]
fn every_wrong_setting_is_named_with_what_is_accepted() {
    let push = |line: &str| format!("[[output]]\nurl = \"https://h/x\"\n{line}");
    for (lines, value, accepted) in [
        ("outputs = [\"\"]".into(), "outputs = \"\"", "path of a directory"),
        ("outputs = [\"rtmp://h/x\"]".into(), "outputs = \"rtmp://h/", "https://"),
        ("outputs = [\"https:///x\"]".into(), "https:///x", "s3://"),
        ("outputs = [\"http://h:99999/\"]".into(), "invalid port", "s3://"),
        ("outputs = [\"https://h/a//b\"]".into(), "empty part", "s3://"),
        ("outputs = [\"https://h/x\", \"https://h/x/\"]".into(), "twice", "each URL"),
        ("outputs = [\"https://me:HIDDEN@h/x\"]".into(), "a password as it is", "${NAME}"),
        ("outputs = [\"https://me@h/x\"]".into(), "or none", "${NAME}"),
        ("outputs = [\"https://h/x?a=${}\"]".into(), "query", "${NAME}"),
        ("outputs = [\"https://h/x#speed=2\"]".into(), "speed=2", "method"),
        ("outputs = [\"https://h/x#method\"]".into(), "#", "KEY=VALUE"),
        ("outputs = [\"https://h/x#method=patch\"]".into(), "patch", "`put`"),
        ("outputs = [\"s3://user@bucket/x\"]".into(), "s3://", "credentials come from the environment"),
        (push("method = \"patch\""), "patch", "`put`"),
        (push("token_file = \"a\"\ntoken_env = \"B\""), "token_file", "one of them"),
        (push("token_env = \"B\"\nuser = \"u\"\npassword_env = \"P\""), "token", "one way"),
        (push("token_env = \"a HIDDEN\""), "token_env", "letters, digits"),
        (push("user = \"u\""), "user", "password_file or password_env"),
        (push("certificate = \"c.pem\""), "key = none", "PEM"),
        (push("backlog_mib = 1"), "backlog_mib = 1", "8 to 65536"),
        (push("fill_in = \"-1s\""), "fill_in = -1 s", "0 s to"),
        (push("manifests = \"some\""), "\"some\"", "\"players\""),
        (push("fsync = \"all\""), "fsync = of a push", "no such setting"),
        (push("window = \"event\""), "window = of a push", "no such setting"),
        ("[[output]]\nurl = \"http://h/x\"\nca = \"a.pem\"".into(), "ca = with http://", "https://"),
        ("[[output]]\nurl = \"out\"\nmethod = \"put\"".into(), "method = of a directory", "no such setting"),
        ("window = \"1m\"\n[[output]]\nurl = \"out\"\nwindow = \"30s\"".into(), "window = 30 s", "60 s to"),
        ("window = \"whole\"\n[[output]]\nurl = \"out\"\nwindow = \"30s\"".into(), "window = 30 s", "event"),
        ("[[output]]\nurl = \"out\"\nwindow = \"always\"".into(), "\"always\"", "event, or a span"),
        ("[[output]]\nurl = \"out\"\nfsync = \"often\"".into(), "often", "`never`, `segment`, `all`"),
        ("[[output]]\nurl = \"s3://b/x\"\ntoken_env = \"T\"".into(), "token_env = of an object store", "no such setting"),
        ("[[output]]\nurl = \"s3://b/x\"\nendpoint = \"minio:9000\"".into(), "endpoint = minio:9000", "http://HOST:PORT"),
        ("[[output]]\nurl = \"gs://b/x\"\nregion = \"eu\"".into(), "region = with gs://", "s3://"),
        ("[[output]]\nfsync = \"all\"".into(), "missing field `url`", "line"),
    ] {
        let message = job(&lines).expect_err(&lines);
        assert!(message.contains(value) && message.contains(accepted), "{lines}: {message}");
        assert!(!message.contains("HIDDEN"), "{message}");
    }
}

#[test]
fn what_opens_an_output_must_be_there_before_anything_starts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let token = dir.path().join("token");
    let lines = format!("[[output]]\nurl = \"https://h/x\"\ntoken_file = {:?}", token.display().to_string());
    let check = || job(&lines).expect("legal").check_places().map_err(|e| e.to_string());
    assert!(check().expect_err("no file").contains("token: No such file"));
    std::fs::write(&token, "one\ntwo\n").expect("written");
    assert!(check().expect_err("two lines").contains("one line"));
    std::fs::write(&token, "  hidden\n").expect("written");
    assert_eq!(check(), Ok(()));
    assert_eq!(Secret::File(token).read().as_deref(), Ok("hidden"));
    let unset = job("outputs = [\"https://h/x?sig=${MEZZO_TEST_THAT_NOBODY_SETS}\"]").expect("legal");
    assert!(unset.check_places().expect_err("not set").to_string().contains("MEZZO_TEST_THAT_NOBODY_SETS"));
}
