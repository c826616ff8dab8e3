//! One run of rav1e over the pictures of a GOP.

use super::stats::Stats;
use ::rav1e::prelude::*;
use std::sync::Arc;

/// How a run spends bits. rav1e's "two-pass" control does both: the stats of an earlier run and a bitrate give the quantizer, corrected from picture to picture by
/// what was spent; a quantizer alone is kept.
#[derive(Clone, Copy, Debug)]
pub enum Spend<'a> {
    /// This quantizer index throughout (0 to 255; that of P frames, from which those of other types follow).
    Quantizer(u8),
    /// This many bits altogether, by what an earlier run found out, and no quantizer finer than this.
    Bits(u64, &'a Stats, u8),
}

/// What a run wrote.
#[derive(Debug, Default)]
pub struct Written {
    /// Temporal units, one for each picture, in order.
    pub units: Vec<Vec<u8>>,
    /// What each picture cost, for another run.
    pub stats: Stats,
}

impl Written {
    /// Size of all units in bits.
    pub fn bits(&self) -> u64 {
        self.units.iter().map(|unit| 8 * unit.len() as u64).sum()
    }
}

/// A run in progress.
pub struct Coder<'a, T: Pixel> {
    context: Context<T>,
    spend: Spend<'a>,
    /// Frames whose stats were handed over.
    told: usize,
    written: Written,
}

/// The coarsest quantizer that does not switch a limit of rav1e on that is meant for long streams: no picture may take more than half of all bits, which ruins
/// the key frame of a short GOP.
const COARSEST: usize = 254;

/// Bits of a temporal delimiter. rav1e sets them aside for each unit; we do not publish them.
const DELIMITER: u64 = 16;

impl<'a, T: Pixel> Coder<'a, T> {
    /// Opens one for `pictures` pictures.
    ///
    /// # Errors
    /// rav1e's words.
    pub fn open(config: &EncoderConfig, spend: Spend<'a>, pictures: usize) -> Result<Coder<'a, T>, String> {
        let mut config = config.clone();
        let control = RateControlConfig::new();
        let control = match spend {
            // Any bitrate will do: without one rav1e keeps no stats.
            Spend::Quantizer(q) => {
                (config.bitrate, config.quantizer, config.min_quantizer) = (1_000_000, usize::from(q).min(COARSEST), q);
                control
            }
            Spend::Bits(bits, stats, finest) => {
                let of_one = u128::from(bits / pictures.max(1) as u64 + DELIMITER);
                let rate = of_one * u128::from(config.time_base.den) / u128::from(config.time_base.num.max(1));
                config.bitrate = i32::try_from(rate).unwrap_or(i32::MAX).max(1);
                (config.quantizer, config.min_quantizer) = (COARSEST, finest);
                RateControlConfig::from_summary_slice(stats.summary()).map_err(|e| e.to_string())?
            }
        };
        // What is left of the GOP is counted up to where the next key frame would be.
        config.max_key_frame_interval = pictures.max(1) as u64;
        let config = Config::new().with_encoder_config(config).with_threads(1).with_rate_control(control.with_emit_data(true));
        let context = config.new_context().map_err(|e| e.to_string())?;
        Ok(Coder { context, spend, told: 0, written: Written::default() })
    }

    /// Takes the next picture, padded.
    ///
    /// # Errors
    /// rav1e's words.
    pub fn send(&mut self, picture: Arc<Frame<T>>, key: bool) -> Result<(), String> {
        let frame_type_override = if key { FrameTypeOverride::Key } else { FrameTypeOverride::No };
        self.context.send_frame((picture, FrameParameters { frame_type_override, ..FrameParameters::default() })).map_err(|e| e.to_string())?;
        self.drain().map(|_| ())
    }

    /// What was written since this was called last, in order.
    pub fn take(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.written.units)
    }

    /// Everything that was written, but for what was taken.
    ///
    /// # Errors
    /// rav1e's words.
    pub fn finish(mut self) -> Result<Written, String> {
        self.context.send_frame(None).map_err(|e| e.to_string())?;
        if self.drain()? { Ok(self.written) } else { Err("it waits for pictures behind the last".to_owned()) }
    }

    /// Encodes what can be. True: that is all of it.
    fn drain(&mut self) -> Result<bool, String> {
        loop {
            if let Spend::Bits(_, stats, _) = self.spend {
                while self.context.rc_second_pass_data_required() > 0
                    && let Some(frame) = stats.frames().get(self.told)
                {
                    self.context.rc_send_pass_data(frame).map_err(|e| e.to_string())?;
                    self.told += 1;
                }
            }
            match self.context.receive_packet() {
                Ok(packet) => {
                    self.written.units.push(packet.data);
                    self.note();
                }
                Err(EncoderStatus::Encoded) => self.note(),
                Err(EncoderStatus::NeedMoreData) => return Ok(false),
                Err(EncoderStatus::LimitReached) => {
                    self.note();
                    return Ok(true);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    fn note(&mut self) {
        match self.context.rc_receive_pass_data() {
            Some(RcData::Frame(data)) => self.written.stats.push(&data),
            Some(RcData::Summary(data)) => self.written.stats.close(&data),
            None => {}
        }
    }
}
