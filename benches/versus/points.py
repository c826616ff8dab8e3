"""The four points of a ladder: its caps times 1, 0.7, 0.5, 0.35 and its CRF plus 0, 3, 6, 9; six more halve the bytes of x264 and x265."""

POINTS = ((1.0, 0), (0.7, 3), (0.5, 6), (0.35, 9))

# The coarsest CRF of each codec.
COARSEST = {"avc": 51, "hevc": 51, "av1": 63}


def ladder(plan, number, path):
    """Writes the ladder of `plan` at point `number`. Operating points, backends and lanes are left out: they are mezzo's choice."""
    share, coarser = POINTS[number]
    lines = [f'name = "point-{number + 1}"']
    for rung in plan["video"]:
        quality = min(rung["quality"] + coarser, COARSEST[rung["codec"]])
        lines += ["", "[[video]]", f'name = "{rung["name"]}"', f'codec = "{rung["codec"]}"', f"width = {rung['width']}", f"height = {rung['height']}"]
        lines += [f"max_bitrate = {round(rung['max_bitrate'] * share)}", f"quality = {quality:g}"]
        if rung["depth"] != 8:
            lines.append(f"depth = {rung['depth']}")
    for rung in plan["audio"]:
        lines += ["", "[[audio]]", f'name = "{rung["name"]}"', f'codec = "{rung["codec"]}"', f"bitrate = {rung['bitrate']}", f"channels = {rung['channels']}"]
    path.write_text("\n".join(lines) + "\n")
    return path
