//! What a track of sound is for, as DASH, HLS and CMAF name it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The scheme of the names (ISO/IEC 23009-1, 5.8.5.5), in the MPD and in the `kind` box.
pub const SCHEME: &str = "urn:mpeg:dash:role:2011";

/// The role of a track of sound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// What is heard where nobody chooses.
    #[default]
    Main,
    /// In the place of the main one: another language, another mix.
    Alternate,
    /// Beside the main one.
    Supplementary,
    /// Somebody talks about what is seen.
    Commentary,
    /// A translation spoken over or instead of the original.
    Dub,
    /// What is seen is told to who cannot see it.
    Description,
    /// Speech is easier to understand.
    EnhancedAudioIntelligibility,
    /// News of an emergency.
    Emergency,
    /// Without the voice that the audience lends.
    Karaoke,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 9] = [
        Role::Main,
        Role::Alternate,
        Role::Supplementary,
        Role::Commentary,
        Role::Dub,
        Role::Description,
        Role::EnhancedAudioIntelligibility,
        Role::Emergency,
        Role::Karaoke,
    ];

    /// Its name in [`SCHEME`].
    pub fn name(self) -> &'static str {
        match self {
            Role::Main => "main",
            Role::Alternate => "alternate",
            Role::Supplementary => "supplementary",
            Role::Commentary => "commentary",
            Role::Dub => "dub",
            Role::Description => "description",
            Role::EnhancedAudioIntelligibility => "enhanced-audio-intelligibility",
            Role::Emergency => "emergency",
            Role::Karaoke => "karaoke",
        }
    }

    /// Whether it says nothing beside the language: such a track is as good as any other of its language.
    pub fn is_plain(self) -> bool {
        matches!(self, Role::Main | Role::Alternate)
    }

    /// What `CHARACTERISTICS` of HLS says of it (RFC 8216bis, 4.4.6.1, and the media characteristics of AVFoundation).
    pub fn characteristics(self) -> Option<&'static str> {
        match self {
            Role::Description => Some("public.accessibility.describes-video"),
            Role::EnhancedAudioIntelligibility => Some("public.accessibility.enhances-speech-intelligibility"),
            Role::Dub => Some("public.translation.dubbed"),
            Role::Commentary | Role::Supplementary => Some("public.auxiliary-content"),
            Role::Main | Role::Alternate | Role::Emergency | Role::Karaoke => None,
        }
    }

    /// Its value in `urn:tva:metadata:cs:AudioPurposeCS:2007`, which DASH-IF asks for beside the role (IOP, 3.9.4).
    pub fn purpose(self) -> Option<&'static str> {
        match self {
            Role::Description => Some("1"),
            Role::EnhancedAudioIntelligibility => Some("2"),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Role, String> {
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.name()).collect();
        let found = Role::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| format!("\"{text}\" is not a role; accepted: {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_and_read_by_its_name() {
        for role in Role::ALL {
            assert_eq!(role.name().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).expect("JSON"), format!("\"{role}\""));
        }
        assert!("music".parse::<Role>().expect_err("none").contains("\"music\" is not a role; accepted: main, alternate"));
    }
}
