//! Why a hardware encoder does not open, in one line, out of what libav logs: its error codes are all alike.

use hwaccel::device::DeviceError;

/// What libav says, and what it means. The first that fits counts.
const KNOWN: &[(&str, &str)] = &[
    ("Cannot load libcuda", "no NVIDIA driver here"),
    ("Could not dynamically load CUDA", "no NVIDIA driver here"),
    ("Cannot load libnvidia-encode", "the driver lacks its encoding library (in a container, NVIDIA_DRIVER_CAPABILITIES must have \"video\")"),
    ("required nvenc API version", "the driver is too old for this libav"),
    ("CUDA_ERROR_NO_DEVICE", "the driver finds no device"),
    ("CUDA_ERROR_INVALID_DEVICE", "there is no device of this number"),
    ("Requested GPU", "there is no device of this number"),
    ("unsupported device", NO_ENCODER),
    ("OpenEncodeSessionEx failed: out of memory", SESSIONS),
    ("incompatible client key", SESSIONS),
    ("Codec not supported", "the device has no encoder for this codec"),
    ("10 bit encode not supported", "the device does not encode 10 bits in this codec"),
    ("exceeds", "the picture is larger than the device encodes"),
    ("No capable devices found", "no device encodes this"),
    ("Failed to initialise VAAPI connection", "no VA-API driver for this device"),
    ("No VA display found", "no VA-API driver for this device"),
    ("No usable encoding profile", "the device does not encode this codec at this depth"),
    ("No usable encoding entrypoint", "the device has no encoder for this codec"),
    ("does not support encoding", "the device has no encoder for this codec"),
    ("Hardware does not support", "the picture has a size that the device does not encode"),
];

/// A device that computes and decodes, but has no encoder.
pub const NO_ENCODER: &str = "a datacenter GPU without NVENC: it decodes and scales, encoding falls to software";
/// No more sessions.
pub const SESSIONS: &str = "the driver allows no further session";

/// The line for what was `said`; `error` where nothing was.
pub fn reason(said: &[String], error: &str) -> String {
    let known = KNOWN.iter().find_map(|(words, meaning)| said.iter().find(|line| line.contains(words)).map(|line| format!("{meaning} ({line})")));
    known.unwrap_or_else(|| said.last().map_or_else(|| error.to_owned(), |line| format!("{error}: {line}")))
}

/// The line for a device that does not open.
pub fn of_device(error: &DeviceError) -> String {
    match error {
        DeviceError::Driver { device, why } => format!("{device}: {}", reason(std::slice::from_ref(why), why)),
        other => other.to_string(),
    }
}
