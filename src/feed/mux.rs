//! MPEG-TS, by libav, into memory.

use super::FeedError;
use ffmpeg::format::context::{Output, StreamIo};
use ffmpeg::{Dictionary, codec, encoder, format};
use ffmpeg_next as ffmpeg;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Ticks per second of every stamp in a transport stream.
pub(super) const CLOCK: u32 = 90_000;

/// How long before its DTS a packet is sent, by the PCR, in microseconds: time for the receiver's buffer.
const MUX_DELAY_MICROS: &str = "300000";

/// Bytes that the muxer has written and nobody has taken yet.
#[derive(Clone, Default)]
struct Tap(Arc<Mutex<Vec<u8>>>);

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A transport stream in the making: stream 0 is video, stream 1 sound where there is any.
pub(super) struct TsMux {
    output: Output,
    tap: Tap,
}

fn broken(error: ffmpeg::Error) -> FeedError {
    FeedError::Mux { why: error.to_string() }
}

impl TsMux {
    /// Writes the header for these streams, in this order. `version`: that of the tables, 0 to 31.
    pub fn open(streams: Vec<codec::Parameters>, version: u8) -> Result<TsMux, FeedError> {
        let tap = Tap::default();
        let io = StreamIo::from_write(tap.clone()).map_err(broken)?;
        let mut output = format::output_to_stream(io, None, Some("mpegts")).map_err(broken)?;
        for parameters in streams {
            output.add_stream(encoder::find(codec::Id::None)).map_err(broken)?.set_parameters(parameters);
        }
        let mut metadata = Dictionary::new();
        metadata.set("service_provider", "mezzo");
        metadata.set("service_name", "mezzo feed");
        output.set_metadata(metadata);
        let mut settings = Dictionary::new();
        // Stamps as they are given: they are UTC * 90000, which the container cuts to 33 bits.
        settings.set("mpegts_copyts", "1");
        settings.set("avoid_negative_ts", "disabled");
        settings.set("max_delay", MUX_DELAY_MICROS);
        settings.set("fflags", "+bitexact");
        settings.set("flush_packets", "1");
        settings.set("tables_version", &version.to_string());
        output.write_header_with(settings).map_err(broken)?;
        Ok(TsMux { output, tap })
    }

    /// Muxes a packet of stream `stream`, whose stamps are in ticks of [`CLOCK`], not wrapped.
    pub fn write(&mut self, mut packet: ffmpeg::Packet, stream: usize) -> Result<(), FeedError> {
        packet.set_stream(stream);
        packet.set_position(-1);
        packet.write_interleaved(&mut self.output).map_err(broken)
    }

    /// Writes what is still held.
    pub fn finish(&mut self) -> Result<(), FeedError> {
        self.output.write_trailer().map_err(broken)
    }

    /// What was written since the last call: whole transport packets of 188 bytes.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut *self.tap.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}
