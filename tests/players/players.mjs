#!/usr/bin/env node
// Plays a live mezzo in Chromium with every player that its users have. Fails on a stall, an error, an answer of 400 and more, or a rung that is not shown.
//
//   node tests/players/players.mjs [--mezzo BINARY] [--seconds 60] [--codec avc,av1] [--players native,hls,shaka-hls,shaka-dash,dash] [--latency low|normal]
//                                  [--origin URL] [--shots FOLDER] [--json FILE]
//
// With --origin it plays that, which must show `mezzo feed --size 1280x720 --rate 30`; without, it starts a feed and a worker of its own.
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSocket } from 'node:dgram';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
const FEED = { width: 1280, height: 720, rate: 30 };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };
/// How long a rung that was asked for may take until it is shown.
const SWITCH = 20;

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
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/// Serves the page, and the players from node_modules.
function files() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://x').pathname).replace(/^\/modules\//, '/node_modules/');
    const file = join(HERE, path === '/' ? 'page.html' : path);
    if (!existsSync(file) || !statSync(file).isFile()) return response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done({ server, url: `http://127.0.0.1:${server.address().port}` })));
}

/// A port that nobody has now.
const freePort = () =>
  new Promise((done) => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => done(port));
    });
  });

/// A feed and a worker; what they say goes to the terminal only where they fail.
async function worker(codec) {
  const port = await freePort();
  const children = [], said = [];
  const start = (...argv) => {
    const child = spawn(args.mezzo, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text) => said.push(String(text)));
    children.push(child);
    return child;
  };
  start('feed', '--output', `udp://127.0.0.1:${port}`, '--size', `${FEED.width}x${FEED.height}`, '--rate', String(FEED.rate), '--bitrate', '4M');
  const timing = low ? ['--chunk', '200ms', '--latency', 'low'] : [];
  const run = start('run', '--input', `udp://127.0.0.1:${port}`, '--clock', 'sei', '--ladder', join(HERE, `${codec}.toml`), '--listen', '127.0.0.1:0', ...timing);
  const url = await new Promise((done, failed) => {
    const look = () => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said.join(''));
      if (found) done(found[0]);
    };
    run.stderr.on('data', look);
    run.on('exit', (code) => failed(new Error(`mezzo run ended with ${code}:\n${said.join('')}`)));
  });
  const stop = async () => {
    for (const child of children.reverse()) {
      const gone = new Promise((done) => child.on('exit', done));
      child.kill('SIGTERM');
      await gone;
    }
  };
  const ready = async () => {
    for (let n = 0; n < 300; n++) {
      const answer = await fetch(`${url}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await sleep(0.1);
    }
    throw new Error(`not ready within 30 s:\n${said.join('')}`);
  };
  await ready();
  return { url, stop, said };
}

/// Plays for `seconds`, a part of it on every rung, and says what was wrong.
async function play(browser, pages, origin, how, seconds) {
  const page = await browser.newPage();
  const wrong = [];
  page.on('console', (message) => message.type() === 'error' && wrong.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`page: ${error.message}`));
  page.on('response', (response) => response.status() >= 400 && wrong.push(`${response.status()}: ${response.url()}`));
  const query = new URLSearchParams({ how, origin, low: String(low), ...FEED });
  await page.goto(`${pages}/page.html?${query}`);
  const until = (what, limit) => page.waitForFunction(what, null, { timeout: limit * 1000, polling: 100 });
  let heights = [];
  try {
    await until('window.report.playing && window.report.samples.length > 0', 30);
    heights = await page.evaluate(() => window.heights?.() ?? []);
    const each = seconds / Math.max(heights.length, 1);
    if (!heights.length) await sleep(seconds);
    for (const height of heights) {
      const begun = Date.now();
      await page.evaluate((h) => window.show(h), height);
      await until(`window.report.samples.at(-1).height === ${height}`, SWITCH).catch(() => wrong.push(`rung ${height}p was not shown within ${SWITCH} s`));
      await sleep(Math.max(0, each - (Date.now() - begun) / 1000));
    }
  } catch (error) {
    wrong.push(error.message.split('\n')[0]);
  }
  if (args.shots) await page.screenshot({ path: join(args.shots, `${how}.png`) });
  const report = await page.evaluate(() => window.report);
  await page.close();
  const latencies = report.samples.map((s) => s.latency).sort((a, b) => a - b);
  const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))];
  const shown = [...new Set(report.samples.map((s) => s.height))].sort((a, b) => a - b);
  wrong.push(...report.errors, ...report.stalls.map((s) => `stalled at ${s.time.toFixed(2)} s of ${s.height}p`));
  const back = report.samples.filter((s, i, all) => i > 0 && s.slot < all[i - 1].slot).length;
  if (back) wrong.push(`${back} pictures are older than the one before them`);
  return { how, heights, shown, samples: latencies.length, latency: { p05: at(0.05), p50: at(0.5), p95: at(0.95) }, wrong };
}

const { server, url: pages } = await files();
const profile = mkdtempSync(join(tmpdir(), 'players-'));
const results = [];
try {
  for (const codec of args.origin ? ['as given'] : args.codec.split(',')) {
    const live = args.origin ? { url: args.origin.replace(/\/$/, ''), stop: async () => {} } : await worker(codec);
    for (const how of args.players.split(',')) {
      const browser = await chromium.launch({
        executablePath: args.chromium,
        args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required'],
      });
      const result = await play(browser, pages, live.url, how, Number(args.seconds));
      await browser.close();
      results.push({ codec, ...result });
      const { latency, shown, wrong } = result, time = (t) => t?.toFixed(2) ?? '-';
      console.log(`${codec} ${how}: ${wrong.length ? 'WRONG' : 'good'}; shown ${shown.map((h) => `${h}p`).join(' ')}; behind the feed ${time(latency.p50)} s (5 %: ${time(latency.p05)}, 95 %: ${time(latency.p95)})`);
      [...new Set(wrong)].slice(0, 12).forEach((line) => console.log(`  ${line}`));
    }
    await live.stop();
  }
} finally {
  server.close();
  rmSync(profile, { recursive: true, force: true });
}
if (args.json) writeFileSync(args.json, `${JSON.stringify(results, null, 1)}\n`);
process.exit(results.some((r) => r.wrong.length) ? 1 : 0);
