// The number that `mezzo feed` burns into its pictures, read back from a video element: characters of the 8x8 font, each a square of 8 x 8 blocks.
const GLYPHS = {
  '#': '36367f367f363600', 0: '3e63737b6f673e00', 1: '0c0e0c0c0c0c3f00', 2: '1e33301c06333f00', 3: '1e33301c30331e00', 4: '383c36337f307800',
  5: '3f031f3030331e00', 6: '1c06031f33331e00', 7: '3f3330180c0c0c00', 8: '1e33331e33331e00', 9: '1e33333e30180e00', ' ': '0000000000000000',
};
const BITS = Object.entries(GLYPHS).map(([character, hex]) => [character, hex.match(/../g).map((byte) => parseInt(byte, 16))]);
/// More blocks than this that differ: it is no character.
const MOST_WRONG = 12;

/// Where the number stands in a pattern of this size (src/pattern/picture.rs).
function place(width, height) {
  const bottom = (Math.floor((height * 72) / 100) >> 1) << 1, panel = height - bottom;
  const unit = Math.max(1, Math.min(Math.floor(width / 256), Math.floor(panel / 26))), gap = Math.floor((panel - 20 * unit) / 5);
  return { x: Math.floor((width - 27 * 8 * unit) / 2), y: bottom + gap + 12 * unit + gap, cell: 8 * unit };
}

/// Reads the number in the picture that `video` shows now; null where there is none to be read. `size`: of the pattern that the feed draws.
export function readBurnt(video, canvas, size) {
  const { x, y, cell } = place(size.width, size.height), characters = 16;
  [canvas.width, canvas.height] = [characters * cell, cell];
  const [sx, sy] = [video.videoWidth / size.width, video.videoHeight / size.height];
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, x * sx, y * sy, characters * cell * sx, cell * sy, 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const ink = (left, bx, by) => {
    let sum = 0, n = 0;
    const step = cell / 8, inset = step / 4;
    for (let py = Math.floor(by * step + inset); py < (by + 1) * step - inset; py++)
      for (let px = Math.floor(left + bx * step + inset); px < left + (bx + 1) * step - inset; px++) [sum, n] = [sum + data[(py * canvas.width + px) * 4 + 1], n + 1];
    return sum / Math.max(n, 1) > 118;
  };
  let text = '';
  for (let n = 0; n < characters; n++) {
    const seen = Array.from({ length: 8 }, (_, by) => Array.from({ length: 8 }, (_, bx) => ink(n * cell, bx, by)));
    const wrong = ([, rows]) => seen.flatMap((row, by) => row.map((bit, bx) => bit !== !!((rows[by] >> bx) & 1))).filter(Boolean).length;
    const best = BITS.reduce((a, b) => (wrong(b) < wrong(a) ? b : a));
    if (wrong(best) > MOST_WRONG) return null;
    text += best[0];
  }
  const found = /^#(\d+)(?: |$)/.exec(text);
  return found ? Number(found[1]) : null;
}
