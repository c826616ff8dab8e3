//! What a source is, for a plan: opened, looked at, closed.

use super::Failure;
use ffmpeg_next as ffmpeg;
use mezzo::capture::CaptureError;
use mezzo::job::Job;
use mezzo::plan::SourceFacts;
use mezzo::time::Rate;

/// The facts of a job's input and the language of its sound.
pub fn facts(job: &Job) -> Result<(SourceFacts, Option<String>), Failure> {
    let url = job.inputs.first().cloned().unwrap_or_default();
    let wrong = |why: String| Failure::from(CaptureError::Open { url: url.clone(), why });
    let libav = |e: ffmpeg::Error| wrong(format!("{e}; accepted: anything that libav reads"));
    ffmpeg::init().map_err(libav)?;
    let input = ffmpeg::format::input(&url).map_err(libav)?;
    let stream =
        |wish: Option<usize>, kind| wish.map_or_else(|| input.streams().best(kind), |index| input.stream(index).filter(|s| s.parameters().medium() == kind));
    let video = stream(job.select.video, ffmpeg::media::Type::Video).ok_or_else(|| wrong("no such video stream; accepted: an input with video".to_owned()))?;
    let decoder = ffmpeg::codec::Context::from_parameters(video.parameters()).and_then(|c| c.decoder().video()).map_err(libav)?;
    let ratio = |r: ffmpeg::Rational| Some((u32::try_from(r.numerator()).ok()?, u32::try_from(r.denominator()).ok()?)).filter(|(n, d)| *n > 0 && *d > 0);
    let rate = [video.avg_frame_rate(), video.rate()].into_iter().find_map(|r| ratio(r).and_then(|(n, d)| Rate::new(n, d)));
    let audio = if job.select.no_audio { None } else { stream(job.select.audio, ffmpeg::media::Type::Audio) };
    let sound = audio.as_ref().and_then(|s| ffmpeg::codec::Context::from_parameters(s.parameters()).and_then(|c| c.decoder().audio()).ok());
    let transfer = decoder.color_transfer_characteristic();
    let facts = SourceFacts {
        width: decoder.width(),
        height: decoder.height(),
        sar: ratio(decoder.aspect_ratio()).unwrap_or((1, 1)),
        rate: rate.ok_or_else(|| wrong("no frame rate; accepted: video with 1 to 120 pictures a second".to_owned()))?,
        interlaced: false,
        hdr: matches!(transfer, ffmpeg::color::TransferCharacteristic::SMPTE2084 | ffmpeg::color::TransferCharacteristic::ARIB_STD_B67),
        sample_rate: sound.map(|s| s.rate()).filter(|rate| *rate > 0),
    };
    Ok((facts, audio.and_then(|s| s.metadata().get("language").map(str::to_owned))))
}
