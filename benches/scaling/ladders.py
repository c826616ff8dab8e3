"""The ladders of the series."""

SIZES = ((1920, 1080), (1280, 720), (960, 540), (768, 432), (640, 360), (480, 270))


def rung(name, width, height, cap, point=None):
    return {"name": name, "codec": "avc", "width": width, "height": height, "max_bitrate": cap, "point": point}


def write(path, rungs, audio=()):
    """A ladder file of rungs as `mezzo plan --json` has them, or as [`rung`] makes them."""
    lines = [f'name = "{path.stem}"']
    for one in rungs:
        lines += ["", "[[video]]", f'name = "{one["name"]}"', f'codec = "{one["codec"]}"', f"width = {one['width']}", f"height = {one['height']}", f"max_bitrate = {one['max_bitrate']}"]
        lines += [f'point = "{one["point"]}"'] if one.get("point") else []
        lines += [f"quality = {one['quality']:g}"] if one.get("quality") else []
    for one in audio:
        lines += ["", "[[audio]]", f'name = "{one["name"]}"', f'codec = "{one["codec"]}"', f"bitrate = {one['bitrate']}"]
    path.write_text("\n".join(lines) + "\n")
    return path


def equal(count):
    """So many rungs of 640x360, alike but for their names."""
    return [rung(f"avc-360p-{n + 1}", 640, 360, 730_000, "brisk") for n in range(count)]


def alone(width, height):
    """One rung at one operating point whatever its size, with a cap by its pixels that does not bind."""
    return [rung(f"avc-{height}p", width, height, max(800_000, width * height * 8), "brisk")]
