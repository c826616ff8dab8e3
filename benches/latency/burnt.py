"""The number that `mezzo feed` burns into its pictures, read back: when each picture was taken."""

import subprocess

GLYPHS = {
    "#": "36367f367f363600", "0": "3e63737b6f673e00", "1": "0c0e0c0c0c0c3f00", "2": "1e33301c06333f00", "3": "1e33301c30331e00", "4": "383c36337f307800",
    "5": "3f031f3030331e00", "6": "1c06031f33331e00", "7": "3f3330180c0c0c00", "8": "1e33331e33331e00", "9": "1e33333e30180e00", " ": "0000000000000000",
}
BITS = {c: [byte >> x & 1 for byte in bytes.fromhex(text) for x in range(8)] for c, text in GLYPHS.items()}
CHARACTERS = 16
MOST_WRONG = 12


def place(width: int, height: int) -> tuple[int, int, int]:
    """Where the number stands in a pattern of this size (src/pattern/picture.rs): left, top, and the side of a character."""
    bottom = height * 72 // 100 // 2 * 2
    panel = height - bottom
    unit = max(1, min(width // 256, panel // 26))
    gap = (panel - 20 * unit) // 5
    return (width - 27 * 8 * unit) // 2, bottom + gap + 12 * unit + gap, 8 * unit


def numbers(ffmpeg: str, media: bytes, width: int, height: int) -> list[int | None]:
    """Of every picture of an fMP4 file, in order of presentation; None where there is none to be read."""
    x, y, cell = place(width, height)
    look = f"scale={width}:{height}:flags=bicubic,crop={CHARACTERS * cell}:{cell}:{x}:{y},scale={CHARACTERS * 8}:8:flags=area,format=gray"
    command = [ffmpeg, "-v", "error", "-i", "-", "-map", "0:v:0", "-vf", look, "-fps_mode", "passthrough", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, input=media, capture_output=True, check=True).stdout
    size = CHARACTERS * 64
    return [read(raw[at : at + size]) for at in range(0, len(raw) - size + 1, size)]


def read(picture: bytes) -> int | None:
    text = ""
    for n in range(CHARACTERS):
        seen = [picture[row * CHARACTERS * 8 + n * 8 + x] > 118 for row in range(8) for x in range(8)]
        wrong, best = min((sum(a != b for a, b in zip(seen, bits)), c) for c, bits in BITS.items())
        if wrong > MOST_WRONG:
            return None
        text += best
    digits = text[1:].split(" ")[0]
    return int(digits) if text[0] == "#" and digits.isdigit() else None
