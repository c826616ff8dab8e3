//! What is known of a segment, as headers of the request that pushes it.

use crate::verdict::Verdict;
use base64::prelude::{BASE64_STANDARD, Engine};

/// Name and value of each header that a verdict becomes. Of a segment that is pushed while it is made, nothing is known at its head.
pub fn of(verdict: &Verdict) -> Vec<(&'static str, String)> {
    // RFC 9530: of the representation, so that it stays true of what the receiver stores.
    vec![("repr-digest", format!("sha-256=:{}:", BASE64_STANDARD.encode(verdict.hash)))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_segment_is_its_digest() {
        // The example of RFC 9530, B.1.
        let verdict = Verdict::new(crate::mux::Marks::default(), b"{\"hello\": \"world\"}\n", &[], false);
        assert_eq!(of(&verdict), [("repr-digest", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:".to_owned())]);
    }
}
