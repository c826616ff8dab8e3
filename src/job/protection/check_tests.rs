use crate::config;
use crate::job::Job;
use crate::job::protection::{Group, Keys, Shown};
use crate::job::wishes::Wishes;

const KEYS: &str = "keys = [{ id = \"00000000-0000-0000-0000-000000000001\", key = \"file:/dev/null\" }]";

/// The job that these lines make, beside a live input.
fn job(lines: &str) -> Result<Job, String> {
    let text = format!("inputs = [\"udp://127.0.0.1:5000\"]\nladder = \"tiny\"\n{lines}\n");
    let wishes: Wishes = config::parse("job", "j.toml", &text).map_err(|e| e.to_string())?;
    wishes.check("j.toml").map_err(|e| e.to_string())
}

/// A key server that nobody asks.
const SERVER: &str = "scheme = \"cbcs\"\ncontent = \"c\"\ncpix = \"https://keys.example/speke?token=hidden\"\n";

#[test]
fn an_output_is_named_as_it_is_written_or_without_what_opens_it() {
    let outputs = "listen = \":8080\"\noutputs = [\"a\", \"https://me:${PASS}@origin.example/live/ch1?key=${KEY}#method=post\", \"s3://bucket/x\", \"https://origin.example/live/ch2\"]\n";
    for name in ["https://origin.example/live/ch1", "https://origin.example/live/ch1/", "https://me:${PASS}@origin.example/live/ch1?key=${KEY}#method=post"] {
        let job = job(&format!("{outputs}[protection]\n{SERVER}outputs = [\"{name}\", \"s3://bucket/x/\", \"listen\"]")).expect("legal");
        let shown = |group: &Group| (group.form, group.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(), group.listen);
        let groups: Vec<_> = job.groups().iter().map(shown).collect();
        let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        let locked = texts(["https://origin.example/live/ch1/?…", "s3://bucket/x/"]);
        assert_eq!(groups, [(None, texts(["a", "https://origin.example/live/ch2/"]), false), (Some(0), locked, true)]);
    }
    for (names, why) in [("\"b\"", "\"b\""), ("\"https://origin.example/live\"", "live"), ("\"a\", \"a\"", "twice"), ("", "[]")] {
        let error = job(&format!("{outputs}[protection]\n{SERVER}outputs = [{names}]")).expect_err("refused");
        assert!(error.contains("protection.outputs") && error.contains(why), "{error}");
    }
    // Nothing that opens an output is repeated.
    let error = job(&format!("{outputs}[protection]\n{SERVER}outputs = [\"https://me:hidden@h/\"]")).expect_err("refused");
    assert!(!error.contains("hidden") && !error.contains("PASS"), "{error}");
}

#[test]
fn keys_travel_over_tls_or_not_at_all() {
    let with = |url: &str| job(&format!("outputs = [\"a\"]\n[protection]\nscheme = \"cbcs\"\ncontent = \"c\"\ncpix = \"{url}\""));
    for url in ["https://keys.example/", "http://127.0.0.1:80/x", "http://localhost/", "http://[::1]:8080/?a=b"] {
        assert!(with(url).is_ok(), "{url}");
    }
    for url in [
        "http://keys.example/",
        "http://127.0.0.1:80@keys.example/",
        "http://localhost.example/",
        "ftp://127.0.0.1/",
        "https://me:secret@keys.example/",
        "https://",
    ] {
        let error = with(url).expect_err("refused");
        assert!(error.contains("protection.cpix") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn a_plan_has_no_secret() {
    let job = self::job(&format!("outputs = [\"a\", \"b\"]\n[protection]\n{SERVER}outputs = [\"b\"]\nrotate = \"1h\"")).expect("legal");
    let [shown] = <[Shown; 1]>::try_from(Shown::of(&job)).expect("one");
    assert_eq!((shown.outputs.as_slice(), shown.rotate.as_deref()), (&["b".to_owned()][..], Some("3600")));
    assert!(shown.keys.starts_with("https://keys.example/speke") && !format!("{shown:?}{}{job:?}", shown.line()).contains("hidden"), "{shown:?}");
    let error = self::job(&format!("outputs = [\"a\"]\n[protection]\nscheme = \"cenc\"\n{KEYS}")).expect_err("refused");
    assert!(error.contains("16 bytes") && error.contains("(not shown)"), "{error}");
}

#[test]
fn references_stand_wherever_a_secret_may() {
    let dir = tempfile::tempdir().expect("a folder");
    let reference = |name: &str, value: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, value).expect("written");
        format!("${{file:{}}}", path.display())
    };
    let cpix = reference("cpix", "https://keys.example/speke-7f3a/cpix");
    let header = format!("Bearer {}", reference("token", "open-sesame-2"));
    let job = self::job(&format!(
        "outputs = [\"a\"]\n[protection]\nscheme = \"cbcs\"\ncontent = \"c\"\ncpix = \"{cpix}\"\nheaders = {{ Authorization = \"{header}\" }}"
    ))
    .expect("legal");
    let [shown] = <[Shown; 1]>::try_from(Shown::of(&job)).expect("one");
    assert_eq!(shown.keys, cpix);
    let Keys::Server(server, _) = &job.protection[0].keys else { panic!("{job:?}") };
    assert_eq!((server.url.as_str(), server.headers[0].1.text()), ("https://keys.example/speke-7f3a/cpix", "Bearer open-sesame-2"));
    assert!(!server.scrubbed("it said speke-7f3a/cpix, Bearer open-sesame-2 https://keys.example/speke-7f3a/cpix").contains("sesame"));
    // A file, too.
    let absent = reference("absent", "/nowhere/tenant-7f3a.xml");
    let error = self::job(&format!("outputs = [\"a\"]\n[protection]\nscheme = \"cbcs\"\ncontent = \"c\"\ncpix = \"{absent}\"")).expect_err("absent");
    assert!(error.contains(&absent) && !error.contains("7f3a"), "{error}");
    for header in ["${a b}", "${file:/nowhere}", "x ${"] {
        let lines = format!("outputs = [\"a\"]\n[protection]\n{SERVER}headers = {{ Authorization = \"{header}\" }}");
        let error = self::job(&lines).expect_err("refused");
        assert!(error.contains("protection.headers.Authorization"), "{error}");
    }
}
