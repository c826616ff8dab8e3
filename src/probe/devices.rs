//! Graphics processors: what is on the bus, which device nodes there are, and whether they open.

use hwaccel::device::Name;
use serde::Serialize;
use std::fs::{self, OpenOptions};
use std::path::Path;

/// What there is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Devices {
    /// Graphics processors on the PCI bus.
    pub cards: Vec<Card>,
    /// Their device nodes.
    pub nodes: Vec<Node>,
    /// Why NVIDIA's cannot be used; absent where one can.
    pub nvidia_why: Option<String>,
    /// Why none can be used through VA-API; absent where one can.
    pub vaapi_why: Option<String>,
}

/// A graphics processor on the bus, whether or not a driver has taken it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Card {
    /// Its address ("0000:01:00.0").
    pub address: String,
    /// Its maker: "nvidia", "amd", "intel", or the number that it has with the PCI-SIG ("0x1af4").
    pub maker: String,
    /// The kernel's driver that has taken it.
    pub driver: Option<String>,
}

/// A device node, and who drives it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Node {
    /// Its path.
    pub path: String,
    /// The kernel's driver behind it ("nvidia", "i915", "amdgpu"), where the system says.
    pub driver: Option<String>,
    /// Whether this process can open it for reading and writing.
    pub opens: bool,
    /// The system's words where it cannot.
    pub why: Option<String>,
}

impl Devices {
    /// Those of this machine.
    pub fn here() -> Devices {
        look(Path::new("/"))
    }

    /// Those that hardware encoders can be tried on, by name: as many of CUDA's as NVIDIA's nodes open, then the render nodes of other drivers that open.
    pub fn names(&self) -> Vec<Name> {
        let cards = self.nodes.iter().filter(|node| node.opens && node.path.strip_prefix("/dev/").is_some_and(|name| number(name, "nvidia"))).count();
        let cuda = (0..u32::try_from(cards).unwrap_or(0)).map(Name::Cuda);
        let render = self.nodes.iter().filter(|node| node.opens && is_vaapi(node)).map(|node| Name::Node(node.path.clone()));
        cuda.chain(render).collect()
    }

    /// The node behind a device.
    pub fn node(&self, name: &Name) -> Option<&Node> {
        match name {
            Name::Cuda(index) => {
                self.nodes.iter().filter(|node| node.opens && node.path.strip_prefix("/dev/").is_some_and(|name| number(name, "nvidia"))).nth(*index as usize)
            }
            Name::Node(path) => self.nodes.iter().find(|node| node.path == *path),
            Name::Vulkan(_) => None,
        }
    }
}

/// Whether a node may be one of VA-API's. NVIDIA's own driver has render nodes, too, which VA-API cannot use.
fn is_vaapi(node: &Node) -> bool {
    node.path.starts_with("/dev/dri/") && node.driver.as_deref() != Some("nvidia")
}

/// Looks at the machine whose `/dev` and `/sys` are below `root`.
fn look(root: &Path) -> Devices {
    let cards = cards(&root.join("sys/bus/pci/devices"));
    let control = |name: &str| name == "nvidiactl" || number(name, "nvidia");
    let nvidia = nodes(root, "dev", &control);
    let render = nodes(root, "dev/dri", &|name| number(name, "renderD"));
    let has = |makers: &[&str]| cards.iter().any(|card| makers.contains(&card.maker.as_str()));
    let cuda: Vec<&Node> = nvidia.iter().collect();
    let nvidia_why = why(&cuda, "/dev/nvidia0 and /dev/nvidiactl", has(&["nvidia"]).then_some("NVIDIA"));
    let vaapi: Vec<&Node> = render.iter().filter(|node| is_vaapi(node)).collect();
    let vaapi_why = why(&vaapi, "/dev/dri/renderD128", has(&["amd", "intel"]).then_some("AMD or Intel"));
    Devices { cards, nodes: nvidia.into_iter().chain(render).collect(), nvidia_why, vaapi_why }
}

/// Why none of `nodes` can be used. `made`: whose card is on the bus, if one is.
fn why(nodes: &[&Node], wanted: &str, made: Option<&str>) -> Option<String> {
    if nodes.iter().any(|node| node.opens) {
        return None;
    }
    if let Some(node) = nodes.first() {
        return Some(format!("{} does not open: {}", node.path, node.why.as_deref().unwrap_or_default()));
    }
    Some(match made {
        Some(made) => format!("no device node ({wanted}), though a card of {made} is on the bus: no driver, or a container without the device"),
        None => format!("no device node ({wanted}), and no such card on the bus"),
    })
}

fn number(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// The nodes in a folder, by name.
fn nodes(root: &Path, folder: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<Node> {
    let mut names: Vec<String> = fs::read_dir(root.join(folder)).into_iter().flatten().flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|name| wanted(name));
    names.sort();
    let node = |name: &String| {
        let opened = OpenOptions::new().read(true).write(true).open(root.join(folder).join(name));
        let driver = if folder == "dev" { Some("nvidia".to_owned()) } else { driver(&root.join("sys/class/drm").join(name).join("device")) };
        Node { path: format!("/{folder}/{name}"), driver, opens: opened.is_ok(), why: opened.err().map(|e| e.to_string()) }
    };
    names.iter().map(node).collect()
}

/// Display controllers (class 0x03) and processing accelerators (0x12), by address.
fn cards(bus: &Path) -> Vec<Card> {
    let mut cards: Vec<Card> = fs::read_dir(bus).into_iter().flatten().flatten().filter_map(|entry| card(&entry.path())).collect();
    cards.sort_by(|a, b| a.address.cmp(&b.address));
    cards
}

fn card(device: &Path) -> Option<Card> {
    let read = |name: &str| Some(fs::read_to_string(device.join(name)).ok()?.trim().to_owned());
    let class = read("class")?;
    if !["0x03", "0x12"].iter().any(|prefix| class.starts_with(prefix)) {
        return None;
    }
    let vendor = read("vendor")?;
    let maker = match vendor.as_str() {
        "0x10de" => "nvidia",
        "0x1002" => "amd",
        "0x8086" => "intel",
        other => other,
    };
    Some(Card { address: device.file_name()?.to_string_lossy().into_owned(), maker: maker.to_owned(), driver: driver(device) })
}

/// The kernel's driver of a device below `/sys`.
fn driver(device: &Path) -> Option<String> {
    Some(fs::read_link(device.join("driver")).ok()?.file_name()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_apart() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        let none = look(root.path());
        assert_eq!((none.cards.len(), none.nodes.len()), (0, 0));
        assert!(none.nvidia_why.as_deref().is_some_and(|why| why.contains("/dev/nvidia0") && why.contains("no such card")), "{none:?}");

        let card = at("sys/bus/pci/devices/0000:01:00.0");
        fs::create_dir_all(&card).expect("made");
        fs::write(card.join("class"), "0x030200\n").expect("written");
        fs::write(card.join("vendor"), "0x10de\n").expect("written");
        std::os::unix::fs::symlink("../../bus/pci/drivers/nvidia", card.join("driver")).expect("linked");
        let disk = at("sys/bus/pci/devices/0000:00:01.0");
        fs::create_dir_all(&disk).expect("made");
        fs::write(disk.join("class"), "0x010802\n").expect("written");
        let bare = look(root.path());
        assert_eq!(bare.cards, [Card { address: "0000:01:00.0".into(), maker: "nvidia".into(), driver: Some("nvidia".into()) }]);
        assert!(bare.nvidia_why.as_deref().is_some_and(|why| why.contains("though a card of NVIDIA is on the bus")), "{bare:?}");
        assert!(bare.vaapi_why.as_deref().is_some_and(|why| why.contains("no such card")), "{bare:?}");

        // A folder never opens for writing, whoever asks.
        fs::create_dir_all(at("dev/dri/renderD128")).expect("made");
        fs::write(at("dev/nvidia0"), "").expect("written");
        fs::write(at("dev/nvidia-modeset"), "").expect("written");
        let there = look(root.path());
        assert_eq!(there.nodes.iter().map(|n| (n.path.as_str(), n.opens)).collect::<Vec<_>>(), [("/dev/nvidia0", true), ("/dev/dri/renderD128", false)]);
        assert_eq!(there.nvidia_why, None);
        assert!(there.vaapi_why.as_deref().is_some_and(|why| why.starts_with("/dev/dri/renderD128 does not open: ")), "{there:?}");
    }

    /// A render node of NVIDIA's driver opens, and VA-API still cannot use it.
    #[test]
    fn a_render_node_of_nvidia_is_none_of_vaapis() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        for (node, driver) in [("renderD128", "nvidia"), ("renderD129", "i915")] {
            fs::create_dir_all(at("dev/dri")).expect("made");
            fs::create_dir_all(at(&format!("sys/class/drm/{node}/device"))).expect("made");
            std::os::unix::fs::symlink(format!("../../drivers/{driver}"), at(&format!("sys/class/drm/{node}/device/driver"))).expect("linked");
        }
        fs::write(at("dev/dri/renderD128"), "").expect("written");
        fs::write(at("dev/nvidia0"), "").expect("written");
        let of_nvidia = look(root.path());
        assert!(of_nvidia.vaapi_why.as_deref().is_some_and(|why| why.contains("no device node")), "{of_nvidia:?}");
        assert_eq!(of_nvidia.names(), [Name::Cuda(0)]);
        fs::write(at("dev/dri/renderD129"), "").expect("written");
        let both = look(root.path());
        assert_eq!((both.vaapi_why.as_deref(), both.names()), (None, vec![Name::Cuda(0), Name::Node("/dev/dri/renderD129".to_owned())]));
        assert_eq!(both.node(&Name::Cuda(0)).map(|node| node.path.as_str()), Some("/dev/nvidia0"));
    }
}
