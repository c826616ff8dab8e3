#!/usr/bin/env node
// Plays a live mezzo in Chromium with every player that its users have. Fails on a stall, an error, an answer of 400 and more, or a rung that is not shown.
//
//   node tests/players/players.mjs [--mezzo BINARY] [--seconds 60] [--codec avc,av1] [--players native,hls,shaka-hls,shaka-dash,dash] [--latency low|normal]
//                                  [--origin URL] [--shots FOLDER] [--json FILE]
//
// With --origin it plays that, which must show `mezzo feed --size 1280x720 --rate 30`; without, it starts a feed and a worker of its own.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { FEED, HERE, Processes, answers, browse, files, freePort, play, sleep, tell } from './kit.mjs';

const { values: args } = parseArgs({
  options: {
    mezzo: { type: 'string', default: join(HERE, '../../target/release/mezzo') },
    seconds: { type: 'string', default: '60' },
    codec: { type: 'string', default: 'avc,av1' },
    players: { type: 'string', default: 'native,hls,shaka-hls,shaka-dash,dash' },
    latency: { type: 'string', default: 'low' },
    origin: { type: 'string' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    shots: { type: 'string' },
    json: { type: 'string' },
  },
});
const low = args.latency === 'low';

/// A feed and a worker.
async function worker(codec) {
  const port = await freePort(), processes = new Processes(args.mezzo), input = `udp://127.0.0.1:${port}`;
  processes.start('feed', '--output', input, '--size', `${FEED.width}x${FEED.height}`, '--rate', String(FEED.rate), '--bitrate', '4M');
  const timing = low ? ['--chunk', '200ms', '--latency', 'low', '--publish-delay', '500ms'] : [];
  const run = processes.start('run', '--input', input, '--clock', 'sei', '--ladder', join(HERE, `${codec}.toml`), '--listen', '127.0.0.1:0', ...timing);
  const url = await processes.address(run);
  await answers(`${url}/readyz`, processes.said);
  // As players find an event that is on. (Chromium's own cannot change rungs while there is nothing behind the segment that it begins with.)
  await sleep(10);
  return { url, stop: () => processes.stop() };
}

/// A part of the time on every rung.
const everyRung = (seconds) => async (player) => {
  const heights = await player.heights(), each = seconds / Math.max(heights.length, 1);
  if (!heights.length) await sleep(seconds);
  for (const height of heights) {
    const begun = Date.now();
    await player.show(height);
    await sleep(Math.max(0, each - (Date.now() - begun) / 1000));
  }
};

const { server, url: pages } = await files();
const results = [];
try {
  for (const codec of args.origin ? ['as given'] : args.codec.split(',')) {
    const live = args.origin ? { url: args.origin.replace(/\/$/, ''), stop: async () => {} } : await worker(codec);
    for (const how of args.players.split(',')) {
      const browser = await browse(args.chromium);
      const result = await play(browser, pages, live.url, how, low, everyRung(Number(args.seconds)), args.shots && join(args.shots, `${how}.png`));
      await browser.close();
      results.push({ codec, ...result });
      tell(`${codec} ${how}`, result);
    }
    await live.stop();
  }
} finally {
  server.close();
}
if (args.json) writeFileSync(args.json, `${JSON.stringify(results, null, 1)}\n`);
process.exit(results.some((r) => r.wrong.length) ? 1 : 0);
