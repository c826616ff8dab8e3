//! Pushing as DASH-IF live media ingest has it: to a receiver of our own that shows what is on the wire, and to nginx, which we did not write.

use crate::support::receiver::{Manner, Receiver, Seen};
use crate::support::show::{FIRST, Show, outputs, same, segment, tree};
use crate::support::{mezzo, succeed, until};
use bytes::Bytes;
use mezzo::job::Pace;
use mezzo::sink::Publish;
use mezzo::time::{GopId, Seconds};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The paths that came over each connection, in order.
fn by_connection(seen: &[Seen]) -> BTreeMap<usize, Vec<String>> {
    let mut connections: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    seen.iter().for_each(|one| connections.entry(one.connection).or_default().push(one.target.clone()));
    connections
}

fn is_media(target: &str) -> bool {
    target.ends_with(".m4s")
}

#[test]
fn each_track_has_a_connection_and_its_init_segment_comes_first_on_every_one() {
    let mut receiver = Receiver::start();
    let lines = format!("[[output]]\nurl = \"{}?key=1\"\nmethod = \"post\"\nmanifests = \"players\"\n", receiver.url().trim_end_matches('/'));
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    show.segments(3);
    receiver.kill();
    receiver.revive();
    show.segments(3);
    let counts = show.end().remove(0);
    same("the receiver", &receiver.taken(), &show.made);
    let seen = receiver.seen();
    for one in &seen {
        assert_eq!(one.method, "POST");
        assert!(one.target.starts_with("/live/") && one.target.ends_with("?key=1"), "{}", one.target);
        assert!(one.headers.contains("user-agent: mezzo/") && one.headers.contains("dash-if-ingest: 1.2"), "{}", one.headers);
    }
    let header = |end: &str| seen.iter().find(|one| one.target.contains(end)).map(|one| one.headers.clone()).unwrap_or_default();
    for (end, content_type) in [
        ("v/init.mp4", "video/mp4"),
        ("v/1000.m4s", "video/mp4"),
        ("a/1000.m4s", "audio/mp4"),
        ("media.m3u8", "application/vnd.apple.mpegurl"),
        (".mpd", "application/dash+xml"),
    ] {
        assert!(header(end).contains(&format!("content-type: {content_type}\r\n")), "{end}: {}", header(end));
    }
    assert!(header("v/1000.m4s").contains("repr-digest: sha-256=:"));
    let mut media = 0;
    for targets in by_connection(&seen).values() {
        let tracks: Vec<&str> = targets.iter().filter(|t| is_media(t.split('?').next().unwrap_or_default())).filter_map(|t| t.split('/').nth(2)).collect();
        let Some(track) = tracks.first() else { continue };
        media += 1;
        assert!(tracks.iter().all(|other| other == track) || counts.filled_in > 0, "{targets:?}");
        assert!(targets[0].contains(&format!("{track}/init.mp4")), "{targets:?}");
    }
    assert!(media >= 4, "two tracks, twice: {media}");
}

fn chunk(number: i64, index: u32, bytes: &[u8]) -> Publish {
    Publish::Chunk {
        track: "v".into(),
        number: GopId(number),
        index,
        path: format!("v/{number}.m4s"),
        bytes: Bytes::copy_from_slice(bytes),
        start: Seconds::ZERO,
        duration: Seconds::ZERO,
        independent: index == 0,
    }
}

#[test]
fn a_segment_is_on_its_way_while_it_is_made_and_torn_where_it_is_given_up() {
    let receiver = Receiver::start();
    let mut show = Show::begin(&outputs(&format!("outputs = [\"{}\"]", receiver.url())), Pace::Live);
    let Publish::Segment { bytes, .. } = segment("v", FIRST, 9000) else { unreachable!("it is one") };
    let path = format!("v/{FIRST}.m4s");
    show.publish(chunk(FIRST, 0, &bytes[..4000]));
    until("the first chunk is there", 5, || receiver.partial(&path) == 4000);
    show.publish(chunk(FIRST, 1, &bytes[4000..7000]));
    until("the second, too", 5, || receiver.partial(&path) == 7000);
    assert!(!receiver.has(&path), "it has not ended");
    show.publish(segment("v", FIRST, 9000));
    until("all of it", 5, || receiver.has(&path));
    assert_eq!(receiver.taken()[&path], bytes);
    let head = receiver.seen().into_iter().find(|one| one.target.ends_with(&path)).expect("it was seen").headers;
    assert!(head.contains("transfer-encoding: chunked") && !head.contains("content-length"), "{head}");
    // Given up half-way: no end of the body, and the next one over a new connection, its init segment first.
    let torn = format!("v/{}.m4s", FIRST + 1);
    show.publish(chunk(FIRST + 1, 0, &bytes[..4000]));
    until("its first chunk is there", 5, || receiver.partial(&torn) == 4000);
    show.publish(Publish::Abort { track: "v".into(), number: GopId(FIRST + 1), path: torn.clone() });
    let next = format!("v/{}.m4s", FIRST + 2);
    show.publish(segment("v", FIRST + 2, 9000));
    until("the one after it", 5, || receiver.has(&next));
    let counts = show.end().remove(0);
    assert!(!receiver.has(&torn) && counts.torn == 1 && counts.segments == 2, "{counts:?}");
    let seen = receiver.seen();
    let last = seen.iter().find(|one| one.target.ends_with(&next)).expect("it was seen").connection;
    let first = seen.iter().find(|one| one.target.ends_with(&path)).expect("it was seen").connection;
    assert_ne!(first, last);
    assert!(by_connection(&seen)[&last][0].ends_with("v/init.mp4"));
}

#[test]
fn a_token_that_is_renewed_is_taken_and_is_never_shown() {
    let receiver = Receiver::start();
    receiver.behave(Manner::Login("Bearer renewed-token"));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let token = dir.path().join("token");
    std::fs::write(&token, "expired-token\n").expect("written");
    let lines = format!("[[output]]\nurl = \"{}\"\nmanifests = false\ntoken_file = {:?}\n", receiver.url(), token.display().to_string());
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    show.segments(2);
    until("it is refused", 5, || show.counts(0).failures["refused"] > 0);
    assert_eq!((receiver.taken().len(), show.counts(0).state), (0, "refused"));
    assert!(receiver.seen().iter().all(|one| one.status == 401));
    std::fs::write(&token, "renewed-token\n").expect("written");
    show.segments(3);
    let counts = show.end().remove(0);
    assert!(receiver.has(&format!("v/{}.m4s", FIRST + 4)) && counts.state == "well", "{counts:?}");
    assert!(!receiver.taken().contains_key("v/media.m3u8"), "no playlists were wanted");
    let shown = serde_json::to_string(&counts).expect("JSON");
    assert!(!shown.contains("token-") && !shown.contains("-token"), "{shown}");
}

#[test]
fn what_a_status_asks_for_is_done() {
    // Patience.
    let receiver = Receiver::start();
    receiver.behave(Manner::Answer(429, "retry-after: 1\r\n"));
    let mut show = Show::begin(&outputs(&format!("outputs = [\"{}#manifests=players\"]", receiver.url())), Pace::Live);
    show.segments(2);
    until("it is asked to wait", 5, || show.counts(0).failures["throttled"] > 0);
    receiver.behave(Manner::Take);
    show.segments(3);
    assert_eq!(show.end()[0].dropped, 0);
    same("after some patience", &receiver.taken(), &show.made);
    // The init segment again.
    let receiver = Receiver::start();
    let mut show = Show::begin(&outputs(&format!("outputs = [\"{}#manifests=players\"]", receiver.url())), Pace::Live);
    show.segments(2);
    until("both are there", 5, || receiver.has(&format!("a/{}.m4s", FIRST + 1)));
    let inits = |receiver: &Receiver| receiver.seen().iter().filter(|one| one.target.ends_with("v/init.mp4")).count();
    let before = inits(&receiver);
    receiver.behave(Manner::Answer(412, ""));
    show.segments(1);
    until("it is asked for", 5, || show.counts(0).failures["uninitialised"] > 0);
    receiver.behave(Manner::Take);
    show.segments(2);
    show.end();
    assert!(inits(&receiver) > before);
    same("after another greeting", &receiver.taken(), &show.made);
}

#[test]
fn a_redirect_is_followed_and_what_leaves_the_window_is_deleted() {
    let (balancer, node) = (Receiver::start(), Receiver::start());
    let to: &'static str = Box::leak(format!("location: {}v/init.mp4\r\n", node.url()).into_boxed_str());
    balancer.behave(Manner::Answer(307, to));
    let lines = format!("[[output]]\nurl = \"{}\"\ndelete = true\nmanifests = false\n", balancer.url());
    let mut show = Show::begin(&outputs(&lines), Pace::Live);
    until("the node has the init segment", 5, || node.has("v/init.mp4"));
    show.publish(segment("v", FIRST, 5000));
    let path = format!("v/{FIRST}.m4s");
    until("and the segment", 5, || node.has(&path));
    assert!(!balancer.seen().iter().any(|one| one.target.ends_with(&path)), "the node stays chosen");
    assert!(show.counts(0).redirects > 0);
    balancer.behave(Manner::Take);
    show.publish(Publish::Remove { path });
    until("what left is deleted", 5, || balancer.seen().iter().any(|one| one.method == "DELETE"));
    assert_eq!(show.end()[0].deleted, 1);
}

#[test]
fn a_destination_with_another_init_segment_is_refused_and_one_that_is_not_there_is_not() {
    let Some(nginx) = Nginx::start("") else { return };
    let output = outputs(&format!("outputs = [\"{}\"]", nginx.url()));
    let inits = vec![("v/init.mp4".to_owned(), b"....ftyp of v".to_vec())];
    let agree = || mezzo::sink::agree(&output, &inits).map_err(|e| e.to_string());
    assert_eq!(agree(), Ok(()), "it has none");
    std::fs::create_dir_all(nginx.root().join("v")).expect("made");
    std::fs::write(nginx.root().join("v/init.mp4"), b"....ftyp of v").expect("written");
    assert_eq!(agree(), Ok(()), "it has the same");
    std::fs::write(nginx.root().join("v/init.mp4"), b"....ftyp of w").expect("written");
    let error = agree().expect_err("it has another");
    assert!(error.contains("/live/v/init.mp4") && error.contains("another encoding"), "{error}");
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    assert_eq!(mezzo::sink::agree(&outputs(&format!("outputs = [\"http://{nobody}/\"]")), &inits).map_err(|e| e.to_string()), Ok(()));
}

/// nginx with WebDAV on a free port of its own.
struct Nginx {
    dir: tempfile::TempDir,
    address: SocketAddr,
    child: Child,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nginx {
    /// `None`, and a line that says so, where there is none. `server`: more of its configuration.
    fn start(server: &str) -> Option<Nginx> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            eprintln!("skipped: no nginx here");
            return None;
        };
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = dir.path().display();
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        std::fs::create_dir_all(dir.path().join("www/live")).expect("made");
        let ssl = if server.contains("ssl_") { " ssl" } else { "" };
        let config = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr error;\nevents {{ worker_connections 64; }}\nhttp {{\n\
             access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;\n\
             server {{ listen {address}{ssl}; root {at}/www; client_max_body_size 100m; {server}\n\
             location / {{ dav_methods PUT DELETE; create_full_put_path on; dav_access user:rw group:r all:r; }} }} }}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), config).expect("written");
        let mut nginx = Command::new(program);
        nginx.arg("-p").arg(dir.path()).arg("-c").arg(dir.path().join("nginx.conf")).args(["-e", "stderr"]).stdin(Stdio::null()).stdout(Stdio::null());
        let child = nginx.spawn().expect("it is there");
        let started = Nginx { dir, address, child };
        until("nginx listens", 10, || TcpStream::connect(address).is_ok());
        Some(started)
    }

    fn url(&self) -> String {
        format!("http://{}/live/", self.address)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("www/live")
    }
}

/// What is the same at every destination: all but the manifest, which counts otherwise, and what a directory has for itself.
fn published(root: &Path) -> BTreeMap<String, Vec<u8>> {
    tree(root).into_iter().filter(|(path, _)| !["manifest.mpd", "resolution.json"].contains(&path.as_str())).collect()
}

#[test]
fn nginx_has_what_a_directory_has() {
    let Some(nginx) = Nginx::start("") else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("out").display().to_string();
    let input = "testsrc:size=256x144,rate=25,duration=6";
    succeed(mezzo(&["run", "--input", input, "--ladder", "tiny", "--pace", "fast", "--output", &out, "--output", &nginx.url()]), 120);
    let here = published(Path::new(&out));
    assert!(here.keys().filter(|path| path.ends_with(".m4s")).count() >= 6, "{:?}", here.keys());
    same("nginx", &published(&nginx.root()), &here);
    let mpd = String::from_utf8(tree(&nginx.root())["manifest.mpd"].clone()).expect("text");
    assert!(mpd.contains("availabilityStartTime=\"1970-01-01T00:00:00Z\""), "{mpd}");
    succeed(mezzo(&["check", &nginx.root().display().to_string()]), 60);
    // Once more: what is there agrees, and stays.
    succeed(mezzo(&["run", "--input", input, "--ladder", "tiny", "--pace", "fast", "--output", &out, "--output", &nginx.url()]), 120);
    same("nginx, again", &published(&nginx.root()), &here);
}

#[test]
fn nginx_that_asks_who_pushes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| dir.path().join(name).display().to_string();
    let openssl = |args: &str| {
        let done = Command::new("openssl").args(args.split(' ')).stdin(Stdio::null()).stderr(Stdio::null()).current_dir(dir.path()).status();
        done.is_ok_and(|status| status.success())
    };
    let made = ["server -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1", "client -subj /CN=worker"].into_iter().all(|what| {
        let (name, more) = what.split_once(' ').expect("two parts");
        openssl(&format!("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout {name}.key -out {name}.pem {more} -addext basicConstraints=critical,CA:FALSE"))
    });
    if !made {
        eprintln!("skipped: no openssl here");
        return;
    }
    std::fs::write(at("users"), "worker:{PLAIN}hidden-password\n").expect("written");
    std::fs::write(at("password"), "hidden-password").expect("written");
    let asks = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client on; auth_basic x; auth_basic_user_file {};",
        at("server.pem"),
        at("server.key"),
        at("client.pem"),
        at("users")
    );
    let Some(nginx) = Nginx::start(&asks) else { return };
    let url = nginx.url().replace("http://", "https://");
    let table = |more: &str| format!("[[output]]\nurl = \"{url}\"\nmanifests = \"players\"\nca = {:?}\n{more}", at("server.pem"));
    let login = format!("user = \"worker\"\npassword_file = {:?}\n", at("password"));
    let certificate = format!("certificate = {:?}\nkey = {:?}\n", at("client.pem"), at("client.key"));
    let mut show = Show::begin(&outputs(&table(&format!("{login}{certificate}"))), Pace::Live);
    show.segments(3);
    let counts = show.end().remove(0);
    same("nginx", &tree(&nginx.root()), &show.made);
    assert_eq!((counts.state, counts.dropped), ("well", 0), "{counts:?}");
    for (more, kind) in [(&login, "400"), (&certificate, "401")] {
        let mut show = Show::begin(&outputs(&table(more)), Pace::Live);
        show.segments(1);
        until("it is refused", 5, || show.counts(0).failures["refused"] > 0);
        let why = show.counts(0).last_error.unwrap_or_default();
        assert!(why.contains(kind) && !why.contains("hidden"), "{why}");
    }
    let mut show = Show::begin(&outputs(&table("").replace(&format!("ca = {:?}\n", at("server.pem")), &format!("ca = {:?}\n", at("client.pem")))), Pace::Live);
    until("it is not trusted", 5, || show.counts(0).failures["connect"] > 0);
    assert!(show.counts(0).last_error.unwrap_or_default().contains("TLS"), "{:?}", show.counts(0));
    show.end();
}
