//! Protection as a plan shows it: who is told, and where keys come from; never a key, nor what opens a key server.

use super::{Keys, LISTEN, Protection};
use crate::job::Job;
use crate::secrets::without_secrets;
use serde::Serialize;

/// One `[protection]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// "cbcs" or "cenc".
    pub scheme: &'static str,
    /// The outputs that it is for, "listen" for the embedded origin.
    pub outputs: Vec<String>,
    /// Who is told of keys.
    pub systems: Vec<&'static str>,
    /// The name of the content; empty where keys are in the job.
    pub content: String,
    /// Where keys come from: "job", "seed", "file", or the address of the key server.
    pub keys: String,
    /// Seconds that a key lives, where there is more than one.
    pub rotate: Option<String>,
}

impl Shown {
    /// Those of a job, in its order.
    pub fn of(job: &Job) -> Vec<Shown> {
        let shown = |(place, protection): (usize, &Protection)| {
            let group = job.groups().into_iter().find(|group| group.form == Some(place));
            let outputs = group.map_or(Vec::new(), |group| {
                let listen = group.listen.then(|| LISTEN.to_owned());
                group.outputs.iter().map(ToString::to_string).chain(listen).collect()
            });
            let keys = match &protection.keys {
                Keys::Given(_) => "job".to_owned(),
                Keys::Seed(..) => "seed".to_owned(),
                Keys::File(_) => "file".to_owned(),
                Keys::Server(server, _) => without_secrets(server.url.as_str()),
            };
            let systems = protection.systems.iter().map(|system| system.known().name).collect();
            let (content, rotate) = (protection.content.clone(), protection.rotate.map(|span| span.to_string()));
            Shown { scheme: protection.scheme.name(), outputs, systems, content, keys, rotate }
        };
        job.protection.iter().enumerate().map(shown).collect()
    }

    /// As a line.
    pub fn line(&self) -> String {
        let Shown { scheme, outputs, systems, keys, rotate, .. } = self;
        let (outputs, systems) = (if outputs.is_empty() { "no output".to_owned() } else { outputs.join(", ") }, systems.join(", "));
        let keys = match keys.as_str() {
            "job" => "keys of the job".to_owned(),
            "seed" => "keys from a seed".to_owned(),
            "file" => "keys of a file".to_owned(),
            server => format!("keys from {server}"),
        };
        let rotate = rotate.as_ref().map_or(String::new(), |span| format!(", new ones every {span} s"));
        format!("  {outputs}: {scheme} for {systems}, {keys}{rotate}")
    }
}
