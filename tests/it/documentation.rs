//! The documentation as a reader uses it: its links lead somewhere, its commands are ones that there are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, with its text.
fn pages() -> BTreeMap<PathBuf, String> {
    fn below(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for path in std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !["target", "node_modules", ".git", "out"].contains(&name) {
                below(&path, found);
            } else if path.extension().is_some_and(|e| e == "md") {
                found.insert(path.clone(), std::fs::read_to_string(&path).expect("a page"));
            }
        }
    }
    let mut found = BTreeMap::new();
    below(&root(), &mut found);
    found
}

/// The text without what is fenced or between backticks: what is there are no links and no headings.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let lines = page.lines().map(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fenced || fence { String::new() } else { line.to_owned() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What follows `](`, up to the `)`.
fn links(prose: &str) -> Vec<String> {
    let outside: Vec<&str> = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    outside.into_iter().filter(|link| !link.contains('\n') && !link.contains(' ')).map(str::to_owned).collect()
}

/// The names that a link can go to: of headings as Markdown renders them, and of `<a id=…>`.
fn anchors(page: &str) -> BTreeSet<String> {
    let prose = prose(page);
    let heading = |text: &str| {
        let text: String = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
        text.trim().to_lowercase().replace(' ', "-")
    };
    // Links in headings count by their words.
    let bare = |line: &str| {
        line.split("](").enumerate().map(|(n, part)| if n == 0 { part } else { part.split_once(')').map_or("", |(_, rest)| rest) }).collect::<String>()
    };
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| bare(line.trim_start_matches('#').trim_start()));
    let mut found: BTreeSet<String> = headings.map(|text| heading(&text)).collect();
    found.extend(prose.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    found
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut made, part| {
        if part == Component::ParentDir {
            made.pop();
        } else {
            made.push(part);
        }
        made
    })
}

#[test]
fn every_link_leads_somewhere() {
    let pages = pages();
    let (mut wrong, mut followed) = (Vec::new(), 0);
    for (path, page) in &pages {
        for link in links(&prose(page)) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
            let to = if file.is_empty() { path.clone() } else { plain(&path.parent().expect("in a folder").join(file)) };
            let there = to.exists() && to.starts_with(root());
            let known = anchor.is_none_or(|anchor| pages.get(&to).is_none_or(|page| anchors(page).contains(anchor)));
            if !there || !known {
                wrong.push(format!("{}: {link}", path.strip_prefix(root()).expect("below the root").display()));
            }
            followed += 1;
        }
    }
    assert!(wrong.is_empty() && followed > 100, "{followed} links, and these lead nowhere: {wrong:#?}");
}

#[test]
fn every_page_is_in_the_index() {
    let index = std::fs::read_to_string(root().join("docs/README.md")).expect("docs/README.md");
    let missing: Vec<PathBuf> = pages().into_keys().filter_map(|path| path.strip_prefix(root().join("docs")).ok().map(Path::to_path_buf)).collect();
    let missing: Vec<&PathBuf> = missing.iter().filter(|page| page.as_os_str() != "README.md" && !index.contains(&format!("({})", page.display()))).collect();
    assert!(missing.is_empty(), "docs/README.md does not name {missing:?}");
}

/// Every command line of mezzo in fenced blocks, and where it stands.
fn commands() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (path, page) in pages() {
        let mut fenced = false;
        for line in page.replace("\\\n", " ").lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            let Some(rest) = line.trim_start().strip_prefix("mezzo ").filter(|_| fenced) else { continue };
            let rest = rest.split(" #").next().unwrap_or_default().split([';', '|', '>', '&']).next().unwrap_or_default();
            let words = rest.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect();
            found.push((format!("{}: {line}", path.display()), words));
        }
    }
    found
}

#[test]
fn commands_in_the_documentation_have_flags_that_there_are() {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mezzo")).args([command, "--help"]).output().expect("the program starts");
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let mut known: BTreeMap<String, (bool, String)> = BTreeMap::new();
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (place, words) in commands() {
        let command = words.first().cloned().unwrap_or_default();
        if command.starts_with(['-', '…', '[']) {
            continue;
        }
        let (there, text) = known.entry(command.clone()).or_insert_with(|| help(&command)).clone();
        let flags = words.iter().filter_map(|word| word.split('=').next()).filter(|word| word.starts_with("--"));
        let missing: Vec<&str> = flags.filter(|flag| !text.split([' ', ',', '=', '\n', '[']).any(|word| word == *flag)).collect();
        if !there || !missing.is_empty() {
            wrong.push(format!("{place}: {missing:?}"));
        }
        tried += 1;
    }
    assert!(wrong.is_empty() && tried > 30, "{tried} commands, and these are wrong: {wrong:#?}");
}
