//! What is known of a segment, as headers of the request that pushes it.

use crate::verdict::{self, Verdict};
use base64::prelude::{BASE64_STANDARD, Engine};

/// Name and value of each header that a verdict becomes. Of a segment that is pushed while it is made, nothing is known at its head.
pub fn of(verdict: &Verdict) -> Vec<(&'static str, String)> {
    // RFC 9530: of the representation, so that it stays true of what the receiver stores.
    let digest = ("repr-digest", format!("sha-256=:{}:", BASE64_STANDARD.encode(verdict.hash)));
    verdict::headers(verdict).into_iter().chain([digest]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_segment_is_its_digest() {
        // The example of RFC 9530, B.1.
        let verdict = Verdict::new(crate::mux::Marks::default(), b"{\"hello\": \"world\"}\n", &[], false);
        let headers = of(&verdict);
        assert_eq!(headers[1], ("repr-digest", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:".to_owned()));
        assert_eq!(headers[0].0, verdict::cmsd::NAME);
    }
}
