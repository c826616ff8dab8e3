//! Every metric there is. `docs/metrics.md` is this table, for people; a test keeps them equal.

use super::text::{Family, Kind};

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal $unit:literal [$($label:literal),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Family = Family { name: $name, kind: Kind::$kind, unit: $unit, labels: &[$($label),*], help: $help };
        )*
        /// All of them, in the order of the page.
        pub static ALL: &[&Family] = &[$(&$id),*];
    };
}

families! {
    WORKER: Info "mezzo_worker" "" ["version", "class"] "The worker: its version, and its class (workers of one class make the same bytes).";
    STATE: Gauge "mezzo_worker_state" "" ["state"] "1 for the state that the worker is in, else 0.";
    STARTED: Gauge "mezzo_worker_start_time_seconds" "seconds" [] "When it started, Unix time.";
    LIVE: Gauge "mezzo_worker_live" "" [] "1 where slots are instants of today, so that there is a lag.";
    READY: Gauge "mezzo_worker_ready" "" [] "1 while every track is published on time (/readyz).";
    SEGMENT: Gauge "mezzo_segment_duration_seconds" "seconds" [] "How long a segment lasts.";
    PUBLISH_DELAY: Gauge "mezzo_publish_delay_seconds" "seconds" [] "When a segment is due, counted from the end of its slot.";

    INPUT: Info "mezzo_input" "" ["input", "name"] "A path of the input, where it is received here (UDP, RTP, two paths).";
    INPUT_UP: Gauge "mezzo_input_up" "" ["input"] "1 while something came on the path within the last second.";
    INPUT_BYTES: Counter "mezzo_input_bytes" "bytes" ["input"] "Bytes of transport packets that came.";
    INPUT_PACKETS: Counter "mezzo_input_packets" "" ["input"] "Datagrams that came, or pieces of a stream.";
    INPUT_LOST: Counter "mezzo_input_lost_packets" "" ["input"] "What did not come: datagrams by their RTP numbers, else transport packets by their continuity counters.";
    INPUT_FILLED: Counter "mezzo_input_filled_packets" "" ["input"] "What did not come, or too late, and the other path brought.";
    INPUT_DUPLICATE: Counter "mezzo_input_duplicate_packets" "" ["input"] "What came more than once.";
    INPUT_REORDERED: Counter "mezzo_input_reordered_packets" "" ["input"] "What came after its successor.";
    INPUT_LATE: Counter "mezzo_input_late_packets" "" ["input"] "What came too late to be used.";
    INPUT_GARBAGE: Counter "mezzo_input_garbage_packets" "" ["input"] "What is no transport stream.";
    INPUT_CONTINUITY: Counter "mezzo_input_continuity_errors" "" ["input"] "Transport packets that do not follow the one before of their PID.";
    INPUT_OVERRUNS: Counter "mezzo_input_overruns" "" ["input"] "What did not fit the path's queue.";
    INPUT_RECONNECTS: Counter "mezzo_input_reconnects" "" ["input"] "Times that the path's connection was lost.";
    INPUT_SILENCE: Gauge "mezzo_input_silence_seconds" "seconds" ["input"] "Since something came last.";
    MERGE_LOST: Counter "mezzo_merge_lost_packets" "" [] "Datagrams that no path brought.";
    MERGE_CONTINUITY: Counter "mezzo_merge_continuity_errors" "" [] "Holes that the decoder sees behind the merge of the paths.";
    MERGE_HURT: Counter "mezzo_merge_hurt_pes" "" [] "PES packets with a hole in them.";
    MERGE_WAIT: Gauge "mezzo_merge_wait_seconds" "seconds" [] "How long packets wait for the other path, on average.";
    MERGE_DELAY: Gauge "mezzo_merge_delay_seconds" "seconds" [] "How much later the second path is than the first.";

    SOURCE_BYTES: Counter "mezzo_source_bytes" "bytes" ["feed"] "Bytes of pictures and sound that were demuxed; feed 0 is the first, 1 the standby.";
    SOURCE_UNITS: Counter "mezzo_source_units" "" ["feed"] "Access units that were demuxed.";
    SOURCE_PICTURES: Counter "mezzo_source_pictures" "" ["feed"] "Pictures decoded.";
    SOURCE_ERRORS: Counter "mezzo_source_errors" "" ["feed"] "Access units that were damaged, could not be read or did not decode whole.";
    SOURCE_REPEATS: Counter "mezzo_source_repeats_seconds" "seconds" ["feed"] "Slots that repeat the picture before them.";
    SOURCE_FILLER: Counter "mezzo_source_filler_seconds" "seconds" ["feed"] "Slots that show filler, because the feed had nothing.";
    SOURCE_SILENCE: Counter "mezzo_source_silence_seconds" "seconds" ["feed"] "Published sound that the feed did not have.";
    SOURCE_DROPPED: Counter "mezzo_source_dropped_pictures" "" ["feed"] "Pictures for which there was no slot.";
    SOURCE_SHED: Counter "mezzo_source_shed_gops" "" ["feed"] "GOPs of the source left out before decoding, because the decoder was outrun.";
    SOURCE_ANCHORS: Counter "mezzo_source_anchors" "" ["feed"] "Times that the feed's clock was tied to the grid anew.";
    SOURCE_DISCONNECTS: Counter "mezzo_source_disconnects" "" ["feed"] "Connections lost.";
    SOURCE_RECONNECTS: Counter "mezzo_source_reconnects" "" ["feed"] "Connections opened again; one less than were lost: there is none now.";
    SOURCE_REFUSED: Counter "mezzo_source_refused_callers" "" ["feed"] "Callers of a listening input that brought no media.";
    SOURCE_CHANGES: Counter "mezzo_source_changes" "" ["feed"] "Times that picture or sound moved to another PID, or became something else.";
    SOURCE_LEFT_DEVICE: Counter "mezzo_source_left_device" "" ["feed"] "Times that decoding left a device for the host.";
    FEED_SHOWN: Gauge "mezzo_feed_shown" "" ["feed"] "1 for the feed that is shown, where there are two.";
    FEED_SWITCHES: Counter "mezzo_feed_switches" "" [] "Times that the feed that is shown changed.";
    CLOCK: Info "mezzo_clock" "" ["feed", "reference", "lock"] "What the feed's clock goes by, and whether another worker on the feed places it alike.";
    CLOCK_LOCKED: Gauge "mezzo_clock_locked" "" ["feed"] "1 while another worker on this feed places it alike.";
    CLOCK_OFFSET: Gauge "mezzo_clock_offset_seconds" "seconds" ["feed"] "How much later than the instant of its slot the newest picture came, by the host's clock.";
    CLOCK_MARGIN: Gauge "mezzo_clock_margin_seconds" "seconds" ["feed"] "How far pictures may move before they fall into another slot.";

    STAGE: Histogram "mezzo_stage_latency_seconds" "seconds" ["stage"] "Of a picture: decode (arrival to its slot), downscale, encode (to its packet, each rung); of a segment: mux (last packet to segment), publish (to every destination that is waited for), total (arrival of its last picture to publication).";
    QUEUE: Gauge "mezzo_queue_length" "" ["queue"] "What waits: units for the decoder, pictures for the downscaler, packets for the muxer, publications for the destinations.";

    TRACK: Info "mezzo_track" "" ["track", "media", "codec", "backend"] "A track: what it carries, and the backend that the plan puts first.";
    TRACK_CAP: Gauge "mezzo_track_cap_bytes_per_second" "" ["track"] "Its cap, or its rate where that is constant: bits per second by eight.";
    TRACK_SEGMENTS: Counter "mezzo_track_segments" "" ["track"] "Segments published.";
    TRACK_BYTES: Counter "mezzo_track_bytes" "bytes" ["track"] "Bytes of them.";
    TRACK_NUMBER: Gauge "mezzo_track_segment_number" "" ["track"] "The number of the newest segment.";
    TRACK_LAG: Gauge "mezzo_track_lag_seconds" "seconds" ["track"] "From the end of the newest segment's slot to its publication; absent while the rung is disabled.";
    TRACK_AGE: Gauge "mezzo_track_age_seconds" "seconds" ["track"] "From the end of the newest segment's slot to now; grows where the track stalls; absent while the rung is disabled.";
    TRACK_MISSES: Counter "mezzo_track_deadline_misses" "" ["track"] "Segments that were not published when they were due.";
    TRACK_LATE: Counter "mezzo_track_late_segments" "" ["track"] "Of those, segments that came after all.";
    TRACK_OVERDUE: Gauge "mezzo_track_overdue_seconds" "seconds" ["track"] "For how long the segment that comes next is overdue; 0: it is not.";
    TRACK_HEADROOM: Histogram "mezzo_track_headroom_seconds" "seconds" ["track"] "How long before it was due a segment was published; 0: it was late.";
    TRACK_SCORE: Gauge "mezzo_track_score" "" ["track"] "Score of the newest segment, 0 to 100 (docs/defects.md); absent while the rung is disabled.";
    TRACK_DEFECTS: Counter "mezzo_track_defect_segments" "" ["track", "defect"] "Segments published with a defect (docs/defects.md).";
    RUNG_PICTURES: Counter "mezzo_rung_pictures" "" ["track"] "Pictures that its encoder was given, each once.";
    RUNG_QUEUE: Gauge "mezzo_rung_queue_length" "" ["track"] "Pictures that wait for its encoder.";
    RUNG_DROPPED: Counter "mezzo_rung_dropped_gops" "" ["track", "reason"] "GOPs left out: late (the rung was behind), failed (every backend failed), overload (for the sake of smaller rungs, docs/overload.md).";
    RUNG_OVERLOAD: Gauge "mezzo_rung_overload_step" "" ["track"] "What the overload governor makes of it: 0 as planned, 1 hurried, 2 with half its pictures, 3 left out (docs/overload.md).";
    RUNG_HURRIED: Counter "mezzo_rung_hurried_gops" "" ["track"] "GOPs that were hurried under overload.";
    RUNG_RETRIES: Counter "mezzo_rung_retries" "" ["track"] "GOPs encoded again.";
    RUNG_FALLBACKS: Counter "mezzo_rung_fallbacks" "" ["track"] "GOPs that another backend made than the plan puts first.";
    RUNG_UNHELD: Counter "mezzo_rung_unheld_gops" "" ["track"] "GOPs whose frames were not held for another try, because the frame budget was spent.";
    RUNG_OVER_CAP: Counter "mezzo_rung_over_cap_gops" "" ["track"] "GOPs that exceed 1.10 x cap.";
    RUNG_EFFORT: Histogram "mezzo_rung_encode_ratio" "" ["track"] "Time in the encoder of a GOP against the GOP's duration times the rung's lanes (and, of a rung split by number over shards, times the numbers to one of its own): above 1 the rung is slower than real time.";
    RUNG_QUANTIZER: Gauge "mezzo_rung_quantizer" "" ["track"] "Mean quantizer of the newest GOP, where its encoder says it.";

    MUX_GAPS: Counter "mezzo_mux_gaps" "" [] "Segment numbers that will never come.";
    MUX_UNDECODABLE: Counter "mezzo_mux_undecodable_segments" "" [] "Segments not published because they cannot be decoded.";
    MUX_CHUNKS: Counter "mezzo_mux_chunks" "" [] "Chunks published before their segments were complete.";
    MUX_ABORTED: Counter "mezzo_mux_aborted_segments" "" [] "Segments given up when chunks of them were out.";
    MUX_FINDINGS: Counter "mezzo_mux_findings" "" [] "Rules that published segments break.";
    MUX_STALE: Counter "mezzo_mux_stale_packets" "" [] "Packets that came after their number was decided.";
    CONFLICTS: Counter "mezzo_output_conflicts" "" [] "Segments that a directory already had with other bytes; it kept its own.";

    MEMORY_PART: Gauge "mezzo_memory_part_bytes" "bytes" ["part"] "What each may take of the budget of memory: `codecs`, the `origin`'s window, what waits for `outputs`, `pictures`.";
    MEMORY_PICTURES: Gauge "mezzo_memory_pictures_held_bytes" "bytes" [] "Pictures that wait for an encoder, or are held so that a segment can be encoded again.";
    STORE_SEGMENTS: Gauge "mezzo_store_segments" "" [] "Segments held in memory.";
    STORE_BYTES: Gauge "mezzo_store_bytes" "bytes" [] "Bytes of them.";
    STORE_LIMIT: Gauge "mezzo_store_limit_bytes" "bytes" [] "The most bytes that are held.";
    STORE_EVICTED: Counter "mezzo_store_evicted_segments" "" [] "Segments dropped from memory because of that limit.";
    STORE_CONFLICTS: Counter "mezzo_store_conflicts" "" [] "Segments that came again with other bytes.";
    STORE_MAKING: Gauge "mezzo_store_making_segments" "" [] "Segments of which a chunk is out, and the rest still to come.";
    STORE_GIVEN_UP: Counter "mezzo_store_given_up_segments" "" [] "Segments given up after a chunk was out.";

    OUTPUT: Info "mezzo_output" "" ["output", "kind"] "A destination behind a network, by its place in the job.";
    OUTPUT_WELL: Gauge "mezzo_output_well" "" ["output"] "1 while the destination takes what is published.";
    OUTPUT_REQUESTS: Counter "mezzo_output_requests" "" ["output"] "Requests made.";
    OUTPUT_BYTES: Counter "mezzo_output_bytes" "bytes" ["output"] "Bytes of bodies that were taken.";
    OUTPUT_SEGMENTS: Counter "mezzo_output_segments" "" ["output"] "Segments that it has.";
    OUTPUT_LATENCY: Histogram "mezzo_output_write_latency_seconds" "seconds" ["output"] "From the last byte of a body to the answer.";
    OUTPUT_FAILURES: Counter "mezzo_output_failures" "" ["output", "reason"] "Failed requests.";
    OUTPUT_RETRIES: Counter "mezzo_output_retries" "" ["output"] "Requests made again.";
    OUTPUT_CONNECTIONS: Counter "mezzo_output_connections" "" ["output"] "Connections made.";
    OUTPUT_SLOW: Counter "mezzo_output_slow_requests" "" ["output"] "Requests that took more than two seconds beyond the media's own time.";
    OUTPUT_FILLED: Counter "mezzo_output_filled_segments" "" ["output"] "Segments that came later, after newer ones.";
    OUTPUT_DROPPED: Counter "mezzo_output_dropped_segments" "" ["output"] "Segments that it will not get.";
    OUTPUT_TORN: Counter "mezzo_output_torn_segments" "" ["output"] "Segments given up in the making, and torn there.";
    OUTPUT_TEXTS: Counter "mezzo_output_dropped_texts" "" ["output"] "Playlists and manifests given up.";
    OUTPUT_BACKLOG: Gauge "mezzo_output_backlog_segments" "" ["output"] "Segments that wait for it.";
    OUTPUT_BACKLOG_BYTES: Gauge "mezzo_output_backlog_bytes" "bytes" ["output"] "Bytes of them.";

    KEYS_FETCHED: Counter "mezzo_keys_fetched" "" ["scheme"] "Times that keys came.";
    KEYS_FAILED: Counter "mezzo_keys_failed" "" ["scheme"] "Times that keys could not be fetched.";
    KEYS_MISSING: Counter "mezzo_keys_missing_segments" "" ["scheme"] "Segments not published because their key was not there.";
    TRACES: Counter "mezzo_traces_sent" "" [] "Segments whose traces a collector took (--otlp).";
    TRACES_DROPPED: Counter "mezzo_traces_dropped" "" [] "Segments whose traces no collector took.";
    LOG_SUPPRESSED: Counter "mezzo_log_suppressed_lines" "" [] "Log lines that were not written, because there were too many of the same.";

    ORIGIN_STATE: Gauge "mezzo_origin_state" "" ["state"] "mezzo origin: 1 for the state that it is in, else 0.";
    ORIGIN_PUBLISHED: Counter "mezzo_origin_segments" "" ["track"] "mezzo origin: segments published.";
    ORIGIN_BYTES: Counter "mezzo_origin_bytes" "bytes" ["track"] "mezzo origin: bytes of them.";
    ORIGIN_GAPS: Counter "mezzo_origin_gaps" "" ["track"] "mezzo origin: numbers that were listed as gaps.";
    ORIGIN_MARKED: Counter "mezzo_origin_marked_segments" "" ["track"] "mezzo origin: published segments with filler or defects; no better candidate came.";
    ORIGIN_MISSES: Counter "mezzo_origin_deadline_misses" "" ["track"] "mezzo origin: segments readable later than 500 ms after their last byte, or what they waited for.";
    ORIGIN_WAITING: Gauge "mezzo_origin_waiting_segments" "" ["track"] "mezzo origin: numbers that came and wait.";
    ORIGIN_NUMBER: Gauge "mezzo_origin_segment_number" "" ["track"] "mezzo origin: the newest number that is published, or listed as a gap.";
    ORIGIN_RECEIVED: Counter "mezzo_origin_received_segments" "" ["track", "pipeline"] "mezzo origin: whole segments that a pipeline sent.";
    ORIGIN_RECEIVED_BYTES: Counter "mezzo_origin_received_bytes" "bytes" ["track", "pipeline"] "mezzo origin: bytes of them.";
    ORIGIN_FATES: Counter "mezzo_origin_candidates" "" ["track", "pipeline", "fate"] "mezzo origin: what became of them: chosen, identical, differing, passed_over, broken, broken_off, late, masked, refused.";
    ORIGIN_ALIVE: Gauge "mezzo_origin_pipeline_alive" "" ["track", "pipeline"] "mezzo origin: 1 where the pipeline sent something within the last three segments.";
    ORIGIN_UNWRITTEN: Counter "mezzo_origin_unwritten" "" [] "mezzo origin: things that could not be written to the output directory.";
}

/// The table of `docs/metrics.md`.
pub fn markdown() -> String {
    let row = |family: &&Family| {
        let (suffix, kind) = match family.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
            Kind::Info => ("_info", "info"),
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{}{suffix}` | {kind} | {} | {} |\n", family.name, labels.join(", "), family.help)
    };
    "| metric | type | labels | |\n|---|---|---|---|\n".to_owned() + &ALL.iter().map(row).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        for family in ALL {
            let Family { name, unit, help, labels, .. } = family;
            let legal = |name: &str| {
                name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            };
            assert!(name.starts_with("mezzo_") && legal(name) && labels.iter().all(|label| legal(label)), "{name}");
            assert!(unit.is_empty() || name.ends_with(&format!("_{unit}")), "{name}: the unit {unit} is its end");
            assert!(["seconds", "bytes"].iter().all(|known| !name.ends_with(&format!("_{known}")) || unit == known), "{name}: its unit is not said");
            assert!(!["_total", "_info", "_count", "_sum", "_bucket", "_created"].iter().any(|suffix| name.ends_with(suffix)), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\\', '\n']), "{name}");
        }
        let mut names: Vec<&str> = ALL.iter().map(|family| family.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    /// `MEZZO_WRITE_DOCS=1` writes it anew.
    #[test]
    fn the_document_has_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let text = std::fs::read_to_string(path).expect("docs/metrics.md");
        let (head, _) = text.split_once("| metric |").expect("the table");
        let wanted = format!("{head}{}", markdown());
        if std::env::var_os("MEZZO_WRITE_DOCS").is_some() {
            std::fs::write(path, &wanted).expect("written");
        }
        assert!(
            text == wanted || std::env::var_os("MEZZO_WRITE_DOCS").is_some(),
            "docs/metrics.md is not what the code has; MEZZO_WRITE_DOCS=1 writes it anew"
        );
    }
}
