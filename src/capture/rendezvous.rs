//! SRT where both sides call each other. libav 5.1 binds its own socket to the other side's address and gets nowhere, so GStreamer's element for SRT takes it.

use super::{CaptureError, Opened, gst};
use crate::job::{Pace, Select};
use crate::secrets::without_secrets;
use crate::stop::Stop;

/// Milliseconds that lost packets are waited for, as libsrt has it.
const LATENCY: u64 = 120;

/// Whether a URL is one.
pub fn takes(url: &str) -> bool {
    url.starts_with("srt://") && url.split(['?', '&']).skip(1).any(|option| option == "mode=rendezvous")
}

/// Opens `srt://HOST:PORT?mode=rendezvous`, with the options of the other modes, and `localaddr` and `localport` (else the same port).
pub fn open(url: &str, pace: Pace, select: &Select, stop: &Stop) -> Opened {
    let described = description(url).map_err(|why| CaptureError::Open { url: without_secrets(url), why })?;
    gst::open(&format!("{}{described}", gst::SCHEME), pace, select, stop)
}

fn description(url: &str) -> Result<String, String> {
    let accepted = "srt://HOST:PORT?mode=rendezvous is accepted, with passphrase, streamid, latency (microseconds), localaddr and localport behind it";
    if url.contains(['"', '\\', ' ', '\0']) {
        return Err(format!("there are quotes, backslashes or spaces in it; {accepted}"));
    }
    let (place, query) = url.strip_prefix("srt://").and_then(|rest| rest.split_once('?')).ok_or(accepted)?;
    let (host, port) = place.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse().is_ok_and(|port: u16| port != 0)).ok_or(accepted)?;
    let (mut address, mut local, mut latency, mut more) = ("0.0.0.0", port, LATENCY, String::new());
    for (key, value) in query.split('&').filter_map(|option| option.split_once('=')) {
        match key {
            "mode" => {}
            "localaddr" => address = value,
            "localport" => local = value,
            "latency" => latency = value.parse::<u64>().map_err(|_| format!("latency={value} is no number; {accepted}"))?.div_ceil(1000),
            "passphrase" if (10..=79).contains(&value.len()) => more.push_str(&format!(" passphrase=\"{value}\"")),
            "passphrase" => return Err(format!("its passphrase has {} characters, 10 to 79 are needed; {accepted}", value.len())),
            "streamid" => more.push_str(&format!(" streamid=\"{value}\"")),
            other => return Err(format!("{other} is not an option of it; {accepted}")),
        }
    }
    Ok(format!("srtsrc uri=\"srt://{host}:{port}?mode=rendezvous&localaddress={address}&localport={local}\" latency={latency}{more} ! typefind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_the_other_modes() {
        assert!(takes("srt://h:1?latency=1&mode=rendezvous") && !takes("srt://h:1?mode=caller") && !takes("udp://h:1?mode=rendezvous"));
        let made = description("srt://h:9000?mode=rendezvous&latency=200500&passphrase=0123456789&localport=9001").expect("legal");
        assert_eq!(made, "srtsrc uri=\"srt://h:9000?mode=rendezvous&localaddress=0.0.0.0&localport=9001\" latency=201 passphrase=\"0123456789\" ! typefind");
        for (wrong, said) in [
            ("srt://h:9000?mode=rendezvous&passphrase=short", "has 5 characters"),
            ("srt://h:9000?mode=rendezvous&streamid=a\" ! filesrc location=\"/etc/passwd", "quotes"),
            ("srt://:9000?mode=rendezvous", "is accepted"),
            ("srt://h:9000?mode=rendezvous&x=1", "x is not an option"),
        ] {
            assert!(description(wrong).expect_err(wrong).contains(said), "{wrong}");
        }
    }
}
