//! A graphics processor that libav opened, through CUDA, VA-API or Vulkan.

use crate::words;
use ffmpeg_next::ffi;
use std::ffi::CString;
use std::fmt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// By what a device is driven.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// NVIDIA's CUDA.
    Cuda,
    /// VA-API on a render node.
    Vaapi,
    /// Vulkan: it scales, decodes with libav 6.1 and newer, and encodes nothing. Mesa has one that needs no graphics processor, which tests use.
    Vulkan,
}

impl Kind {
    /// In a word, as names of devices begin and classes say it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cuda => "cuda",
            Kind::Vaapi => "vaapi",
            Kind::Vulkan => "vulkan",
        }
    }

    pub(crate) fn in_libav(self) -> ffi::AVHWDeviceType {
        match self {
            Kind::Cuda => ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_CUDA,
            Kind::Vaapi => ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI,
            Kind::Vulkan => ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VULKAN,
        }
    }
}

/// Which device: `cuda:0`, `/dev/dri/renderD128`, `vulkan:0`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// The device with this number, as CUDA counts.
    Cuda(u32),
    /// A render node.
    Node(String),
    /// The device with this number, as Vulkan counts.
    Vulkan(u32),
}

/// What [`Name::parse`] accepts, in words.
pub const ACCEPTED: &str = "\"cuda:N\", \"/dev/dri/renderDN\" or \"vulkan:N\"";
/// Those of it that encode.
pub const ENCODING: &str = "\"cuda:N\" or \"/dev/dri/renderDN\"";

impl Name {
    /// Reads a name; `None` where it is none ([`ACCEPTED`]).
    pub fn parse(text: &str) -> Option<Name> {
        let number = |digits: &str| (digits.len() <= 4 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?;
        match (text.strip_prefix("cuda:"), text.strip_prefix("vulkan:")) {
            (Some(rest), _) => number(rest).map(Name::Cuda),
            (_, Some(rest)) => number(rest).map(Name::Vulkan),
            (None, None) => text.strip_prefix("/dev/dri/renderD").and_then(number).map(|_: u32| Name::Node(text.to_owned())),
        }
    }

    /// By what it is driven.
    pub fn kind(&self) -> Kind {
        match self {
            Name::Cuda(_) => Kind::Cuda,
            Name::Node(_) => Kind::Vaapi,
            Name::Vulkan(_) => Kind::Vulkan,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Cuda(number) => write!(f, "cuda:{number}"),
            Name::Node(path) => f.write_str(path),
            Name::Vulkan(number) => write!(f, "vulkan:{number}"),
        }
    }
}

/// Why a device does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// This libav was built without it.
    #[error("{device}: libav is built without {with}")]
    NotInLibav {
        /// The device.
        device: Name,
        /// "CUDA", "VA-API" or "Vulkan".
        with: &'static str,
    },
    /// There is no such node, or it may not be opened.
    #[error("{device}: {why}")]
    Node {
        /// The device.
        device: Name,
        /// The system's words.
        why: String,
    },
    /// The driver refuses.
    #[error("{device}: {why}")]
    Driver {
        /// The device.
        device: Name,
        /// What libav said, or its error.
        why: String,
    },
}

/// An open device. Dropping it closes it once no pictures and encoders use it.
pub struct Device {
    name: Name,
    buffer: *mut ffi::AVBufferRef,
    /// What libav said while it opened.
    said: Vec<String>,
}

// SAFETY: the buffer is a counted reference, whose count is atomic; libav allows a device context to be used from any thread once it is initialised.
unsafe impl Send for Device {}

// SAFETY: through `&self` the reference is only read and counted, and the context behind it guards its own state.
unsafe impl Sync for Device {}

/// A device that some of this process have open, each kind of access in its turn.
type Slot = Arc<Mutex<Weak<Device>>>;

/// Every name that was ever asked for; as many as there are devices.
static SHARED: Mutex<Vec<(Name, Slot)>> = Mutex::new(Vec::new());

impl Device {
    /// `name` as all of this process share it, opened where nobody has it: pictures of a decoder can be scaled and encoded in place only by who has the same device open.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn shared(name: &Name) -> Result<Arc<Device>, DeviceError> {
        let slot = slot(name);
        // Held while it opens, so that two who ask at once get one; a driver that hangs holds up nobody who asks for another device.
        let mut open = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = open.upgrade() {
            return Ok(device);
        }
        let device = Arc::new(Device::open(name)?);
        *open = Arc::downgrade(&device);
        Ok(device)
    }

    /// `name` where somebody of this process shares it now. Opens nothing, and waits for nobody.
    pub fn open_now(name: &Name) -> Option<Arc<Device>> {
        slot(name).try_lock().ok()?.upgrade()
    }

    /// Opens `name`. May take seconds, or hang where a driver does.
    ///
    /// # Errors
    /// libav lacks the kind; the node is not there or not allowed; the driver is not there, too old or refuses.
    pub fn open(name: &Name) -> Result<Device, DeviceError> {
        let (with, device, options) = match name {
            Name::Cuda(number) => ("CUDA", number.to_string(), &[][..]),
            // Else a display of X11 would be tried.
            Name::Node(path) => ("VA-API", path.clone(), &[(c"connection_type", c"drm")][..]),
            Name::Vulkan(number) => ("Vulkan", number.to_string(), &[][..]),
        };
        let kind = name.kind().in_libav();
        if !built_in(kind) {
            return Err(DeviceError::NotInLibav { device: name.clone(), with });
        }
        if let Name::Node(path) = name
            && let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open(Path::new(path))
        {
            return Err(DeviceError::Node { device: name.clone(), why: error.to_string() });
        }
        let refused = |why: String| DeviceError::Driver { device: name.clone(), why };
        let text = CString::new(device).map_err(|_| refused("a name with a zero byte".to_owned()))?;
        let mut buffer = ptr::null_mut();
        let (code, said) = words::hear(|| {
            let mut dictionary = ptr::null_mut();
            for (key, value) in options {
                // SAFETY: both strings are terminated and copied by the call; the dictionary is null or made by an earlier call.
                unsafe { ffi::av_dict_set(&mut dictionary, key.as_ptr(), value.as_ptr(), 0) };
            }
            // SAFETY: `buffer` is null and receives a reference or null; the name is terminated and lives through the call, as does the dictionary.
            let code = unsafe { ffi::av_hwdevice_ctx_create(&mut buffer, kind, text.as_ptr(), dictionary, 0) };
            // SAFETY: the dictionary is null or ours, and not used again.
            unsafe { ffi::av_dict_free(&mut dictionary) };
            code
        });
        if code < 0 || buffer.is_null() {
            let error = ffmpeg_next::Error::from(code).to_string();
            return Err(refused(said.last().cloned().unwrap_or(error)));
        }
        Ok(Device { name: name.clone(), buffer, said })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What the driver calls itself, where libav told ("Intel iHD driver for Intel(R) Gen Graphics - 23.1.1").
    pub fn driver(&self) -> Option<&str> {
        self.said.iter().find_map(|line| line.split_once("VAAPI driver: ").map(|(_, driver)| driver.trim_end_matches('.')))
    }

    /// The reference, for the calls of this crate.
    pub(crate) fn buffer(&self) -> *mut ffi::AVBufferRef {
        self.buffer
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used afterwards.
        unsafe { ffi::av_buffer_unref(&mut self.buffer) }
    }
}

fn slot(name: &Name) -> Slot {
    let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, slot)) = all.iter().find(|(known, _)| known == name) {
        return Arc::clone(slot);
    }
    let slot = Slot::default();
    all.push((name.clone(), Arc::clone(&slot)));
    slot
}

/// Whether this libav has a kind of device.
fn built_in(kind: ffi::AVHWDeviceType) -> bool {
    let mut at = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_NONE;
    loop {
        // SAFETY: the call reads a static table, from the kind that it returned last.
        at = unsafe { ffi::av_hwdevice_iterate_types(at) };
        if at == kind || at == ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_NONE {
            return at == kind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_nothing_else_is_one() {
        for text in ["cuda:0", "cuda:15", "/dev/dri/renderD128", "vulkan:0"] {
            assert_eq!(Name::parse(text).expect("a name").to_string(), text);
        }
        for text in
            ["", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:99999", "/dev/dri/card0", "/dev/dri/renderD", "/dev/dri/renderD1/../x", "/dev/null", "vulkan:"]
        {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_there_is_refused_with_its_name() {
        let absent = Name::Node("/dev/dri/renderD9999".to_owned());
        let error = Device::open(&absent).err().expect("no such node");
        assert!(error.to_string().starts_with("/dev/dri/renderD9999: "), "{error}");
        assert!(matches!(error, DeviceError::Node { .. } | DeviceError::NotInLibav { .. }), "{error:?}");
        // A machine may have CUDA; none has this many.
        let error = Device::open(&Name::Cuda(9999)).err().expect("no such device");
        assert!(error.to_string().starts_with("cuda:9999: "), "{error}");
    }
}
